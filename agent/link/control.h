#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "agent/link/balance.h"
#include "agent/link/call_policy.h"
#include "agent/link/order.h"
#include "agent/link/reconcile.h"
#include "agent/runner/probe_thread.h"

namespace portolan {

struct AgentControlOptions {
  size_t threads = 1;
  size_t coordinators = 1;
  double max_rate = 0;  // probes/s over all threads; 0: no limit
  uint64_t seed = 0;    // of the back-off
};

// What the agent decides between the coordinator and its probe threads: which part of a lease goes
// where, when to call, when a lease is finished, when it has drained. Pure: time, the threads'
// snapshots and the spool's word are arguments; what it wants of the threads are orders. Not
// thread-safe.
//
// A round: Observe, carry out TakeOrders, then do as Next says; OnAnswer, OnFailure or OnCancelled
// once for each BeginCall. Orders of an answer must have been carried out before the snapshots of
// the next Observe are taken, so that a request tells only what is in force.
class AgentControl {
 public:
  struct SpoolView {
    bool has_room = true;
    bool empty = true;
    std::function<bool(Token)> holds;  // reports of the lease are waiting or not acknowledged
  };
  enum class Step { kWait, kCall, kCancel };
  // What a request says beyond state() and Progress().
  struct Ask {
    Duration deadline{};
    bool draining = false;  // by the wish of this process, which ends when it holds nothing
    double measured_rate = 0;
    double sent_rate = 0;
    uint64_t room = 0;
  };

  explicit AgentControl(const AgentControlOptions& options);

  void Observe(const std::vector<ProbeThread::Snapshot>& threads, const SpoolView& spool);
  std::vector<Order> TakeOrders() { return std::exchange(orders_, {}); }
  std::vector<std::string> TakeProblems() { return std::exchange(problems_, {}); }

  Step Next(Time now);
  // When Next may say something else without any event; at most a second from `now`.
  Time WakeAt(Time now) const;
  Ask BeginCall(Time now);
  void OnAnswer(const DesiredState& desired, Time now);
  // The coordinator has another process of this name and asks to call again after `wait`. What is
  // held stays until its deadline, as without an answer.
  void OnWait(Duration wait, Time now);
  void OnCancelled(Time now);  // because Next said kCancel
  // Not OK: the agent must stop, for this reason; all leases are given up already.
  absl::Status OnFailure(const absl::Status& error, Time now);
  // Results of these leases were refused.
  void OnFenced(const std::vector<Token>& tokens);

  // No new work, give back what was not begun. Stays so.
  void StartDrain() { draining_ = true; }
  bool draining() const { return draining_ || state_.drain; }
  // Holds nothing, everything is acknowledged, and the coordinator was told.
  bool drained() const { return goodbye_ && !calling_; }

  size_t coordinator() const { return policy_.coordinator(); }
  const LinkState& state() const { return state_; }
  // What the threads said of each lease at the last Observe, taken together.
  std::map<Token, LeaseProgress> Progress() const;
  std::optional<Time> last_answer() const { return last_answer_; }
  Duration lease_term() const { return lease_term_; }
  int failures() const { return policy_.failures(); }
  uint64_t unprobed() const;

 private:
  // What one thread holds of a lease.
  struct Part {
    size_t thread = 0;
    IntervalSet ranges;
    uint64_t unprobed = 0;
    bool reported = false;
  };

  std::vector<ThreadLoad> Loads() const;
  template <typename What>
  void Send(size_t thread, What what) {
    Order& order = orders_.emplace_back();
    order.thread = thread;
    order.what.emplace<What>(std::move(what));
  }
  // To each thread that holds a part of the lease.
  template <typename What>
  void SendHolders(Token token, const What& what) {
    const auto it = parts_.find(token);
    if (it == parts_.end()) return;
    for (const Part& part : it->second) Send(part.thread, what);
  }
  template <typename What>
  void SendAll(const What& what) {
    for (size_t i = 0; i < options_.threads; ++i) Send(i, what);
  }
  void Forget(Token token);
  void Grant(const AgentLease& lease);
  void Carry(const Actions& actions);
  void SetDraining();
  // Brings rates to what the loads want. Less is said at once; more only when no thread was told of
  // less in the same round.
  void DivideRates();
  uint64_t Room() const;
  bool Blocked() const;
  bool WantsWork() const;

  const AgentControlOptions options_;
  CallPolicy policy_;
  LinkState state_;
  std::map<Token, std::vector<Part>> parts_;  // of each lease held; empty: no thread has any of it
  std::vector<std::map<std::string, double>> told_shares_;  // by thread
  std::map<std::string, double> told_fractions_;            // all threads are told the same
  std::vector<double> told_rates_;                          // by thread
  std::vector<Order> orders_;
  std::vector<std::string> problems_;

  Duration lease_term_ = std::chrono::seconds(10);
  std::optional<Time> last_answer_;
  Time answered_request_;  // when the request was sent that was answered last
  bool draining_ = false;
  bool told_draining_ = false;  // the threads
  bool goodbye_ = false;

  // Of the call under way, or the last one.
  bool calling_ = false;
  bool cancelling_ = false;
  Time sent_;
  AgentStatement asked_;
  Ask said_;
  bool said_blocked_ = false;
  bool revoked_over_ = false;  // some revoked lease was forgotten since
  uint64_t said_unprobed_ = 0;

  double measured_rate_ = 0, sent_rate_ = 0;
  bool spool_has_room_ = true;
  bool quiet_ = true;  // nothing in flight, nothing to be acknowledged
};

}  // namespace portolan
