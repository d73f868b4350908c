#pragma once

#include <string>

#include "cli/render/record.h"

namespace portolan {

inline IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

inline ResultRow Row(std::string_view ip, uint16_t port, State state = State::kOpen,
                     std::string_view reason = "syn-ack", std::string_view vantage = "office") {
  ResultRow row;
  row.ip = Ip(ip);
  row.port = port;
  row.state = state;
  row.reason = reason;
  row.vantage = vantage;
  row.agent = "a1";
  row.when = FromUnixMicros(1'767'323'045'678'901);  // 2026-01-02T03:04:05.678901Z
  if (state == State::kOpen) {
    row.rtt_us = 420;
    row.source = Ip("10.9.9.9");
  }
  return row;
}

inline ScanRecordEnd End(uint64_t planned, uint64_t open, uint64_t closed) {
  ScanRecordEnd end;
  end.scan_id = "abc";
  end.state = "complete";
  end.finished = true;
  end.created = end.started = FromUnixMicros(1'767'323'045'000'000);
  end.finished_at = FromUnixMicros(1'767'323'047'500'000);
  end.total.planned = planned;
  end.total.counts.open = open;
  end.total.counts.closed = closed;
  return end;
}

}  // namespace portolan
