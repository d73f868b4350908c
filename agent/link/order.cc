#include "agent/link/order.h"

namespace portolan {
namespace {

struct Visitor {
  Runner& runner;
  void operator()(const order::SetContext& o) const { runner.SetContext(*o.context); }
  void operator()(const order::DropContext& o) const { runner.DropContext(o.scan); }
  void operator()(const order::Grant& o) const { (void)runner.Grant(o.lease).ok(); }
  void operator()(const order::Shrink& o) const { runner.Shrink(o.token, o.ranges); }
  void operator()(const order::Revoke& o) const { runner.Revoke(o.token); }
  void operator()(const order::Forget& o) const { runner.Forget(o.token); }
  void operator()(const order::Renew& o) const { runner.Renew(o.token, o.deadline); }
  void operator()(const order::SetDraining& o) const { runner.SetDraining(o.draining); }
  void operator()(const order::SetShare& o) const { runner.SetShare(o.scan, o.rate); }
  void operator()(const order::SetTargetFraction& o) const {
    runner.SetTargetFraction(o.scan, o.fraction);
  }
  void operator()(const order::SetMaxRate& o) const { runner.SetMaxRate(o.rate); }
};

}  // namespace

void CarryOut(const Order& order, Runner& runner) { std::visit(Visitor{runner}, order.what); }

}  // namespace portolan
