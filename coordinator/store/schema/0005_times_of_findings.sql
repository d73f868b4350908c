-- As in chunks and open_ports: 1: the time is when the coordinator received the finding.
ALTER TABLE host_findings ADD COLUMN of_receipt INTEGER NOT NULL DEFAULT 0;
