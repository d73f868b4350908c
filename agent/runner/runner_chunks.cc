#include <algorithm>

#include "agent/runner/runner_impl.h"

// Chunks: opened, filled, ended and given to the sink.
namespace portolan {

Runner::Impl::OpenChunk* Runner::Impl::Named(uint64_t name) {
  const std::unique_ptr<OpenChunk>* open = chunks_.Find(name);
  return open == nullptr ? nullptr : open->get();
}

uint64_t Runner::Impl::OpenNew(Lease& lease, uint64_t begin, Time now, WallTime wall) {
  const Token token = lease.walk.lease().token;
  ++lease.open_chunks;
  return chunks_.Put(std::unique_ptr<OpenChunk>(
      new OpenChunk{Chunk(token, begin, now, wall, lease.scan->limits), lease.scan, &lease}));
}

void Runner::Impl::Unfill(Lease& lease) {
  if (OpenChunk* open = Named(lease.filling)) {
    open->chunk.Seal();
    next_check_ = Time::min();  // it may be over
  }
  lease.filling = 0;
}

void Runner::Impl::EndIfOver(uint64_t name, Time now) {
  if (OpenChunk* open = Named(name); open != nullptr && open->chunk.IsOver(now)) End(name, now);
}

void Runner::Impl::End(uint64_t name, Time now) {
  const std::unique_ptr<OpenChunk> open = chunks_.Take(name);
  if (Lease* lease = open->lease) {
    if (lease->filling == name) lease->filling = 0;
    --lease->open_chunks;
  }
  open_positions_ -= open->chunk.size();
  ++counters_.chunks;
  ChunkReport report = open->chunk.Report(now);
  Count(open->chunk.symbols());
  sink_.PutChunk(std::move(report));
}

void Runner::Impl::Count(const std::vector<Symbol>& symbols) {
  uint64_t count[8] = {};
  for (const Symbol& symbol : symbols) ++count[static_cast<uint8_t>(symbol.state) & 7];
  counters_.open += count[static_cast<size_t>(State::kOpen)];
  counters_.closed += count[static_cast<size_t>(State::kClosed)];
  counters_.filtered += count[static_cast<size_t>(State::kFiltered)];
  counters_.unreachable += count[static_cast<size_t>(State::kUnreachable)];
  counters_.not_probed += count[static_cast<size_t>(State::kNotProbed)];
  counters_.owed += count[static_cast<size_t>(State::kOwed)];
}

void Runner::Impl::CheckChunks(Time now) {
  next_check_ = kNever;
  chunks_.ForEach([&](uint64_t name, const std::unique_ptr<OpenChunk>& open) {
    Chunk& chunk = open->chunk;
    const bool expired = open->lease != nullptr && now >= open->lease->walk.deadline();
    if (expired && !chunk.finishing()) {
      if (open->lease->filling == name) open->lease->filling = 0;
      chunk.Finish();
    } else if (!chunk.sealed() && chunk.IsFull(now)) {
      if (open->lease->filling == name) open->lease->filling = 0;
      chunk.Seal();
    }
    if (chunk.IsOver(now)) return End(name, now);
    next_check_ = std::min(next_check_, chunk.NextChange());
    if (open->lease != nullptr && !chunk.finishing())
      next_check_ = std::min(next_check_, open->lease->walk.deadline());
  });
}

}  // namespace portolan
