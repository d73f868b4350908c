// portolan notifications dead|resend|drop|test
#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/monitors.h"
#include "cli/render/text.h"
#include "cli/render/text_table.h"
#include "common/base/status.h"

namespace portolan {
namespace {

struct NotificationsFlags {
  std::string receiver;
  int64_t number = 0;
  bool all = false, json = false;
};

absl::StatusOr<int> RunDead(const NotificationsFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  v1::ListDeadLettersRequest request;
  request.set_receiver(flags.receiver);
  PORTOLAN_ASSIGN_OR_RETURN(const v1::ListDeadLettersResponse list,
                            session->client->Call(&ApiClient::Monitors::ListDeadLetters, request));
  TextTable table({{"N", TextTable::Align::kRight},
                   {"RECEIVER"},
                   {"KIND"},
                   {"MONITOR"},
                   {"QUEUED"},
                   {"TRIES", TextTable::Align::kRight},
                   {"ERROR"},
                   {"TEXT"}});
  for (const v1::DeadLetter& d : list.dead_letters()) {
    if (flags.json) {
      PORTOLAN_RETURN_IF_ERROR(context.Print(JsonLine("dead-letter", d)));
      continue;
    }
    table.Add({std::to_string(d.number()), d.receiver(), d.kind(), d.monitor(),
               TimeText(d.queued_unix_us()), std::to_string(d.attempts()), CutTo(d.error(), 60),
               CutTo(d.text(), 80)});
  }
  if (flags.json) return kExitComplete;
  if (table.empty()) {
    context.env.notes->Note("no notification was given up");
    return kExitComplete;
  }
  PORTOLAN_RETURN_IF_ERROR(context.Print(table.Render(context.color)));
  return kExitComplete;
}

absl::StatusOr<int> RunSettle(const NotificationsFlags& flags, bool drop, Context& context) {
  if (drop && flags.number == 0 && flags.receiver.empty() && !flags.all) {
    return InvalidArgument(
        "drop what? Give a number (portolan notifications dead), --receiver NAME, or --all");
  }
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  v1::SettleDeadLettersRequest request;
  request.set_receiver(flags.receiver);
  request.set_number(flags.number);
  request.set_drop(drop);
  PORTOLAN_ASSIGN_OR_RETURN(
      const v1::SettleDeadLettersResponse response,
      session->client->Call(&ApiClient::Monitors::SettleDeadLetters, request));
  context.env.notes->Note(fmt::format("{} {}",
                                      Counted(response.settled(), "dead letter", "dead letters"),
                                      drop ? "dropped" : "queued again"));
  return kExitComplete;
}

absl::StatusOr<int> RunTest(const NotificationsFlags& flags, Context& context) {
  PORTOLAN_ASSIGN_OR_RETURN(const auto session, ConnectToMonitors(context));
  v1::TestReceiverRequest request;
  request.set_receiver(flags.receiver);
  PORTOLAN_ASSIGN_OR_RETURN(const v1::TestReceiverResponse response,
                            session->client->Call(&ApiClient::Monitors::TestReceiver, request));
  context.env.notes->Note(fmt::format(
      "test message {} is on its way to {}; if it does not arrive: portolan notifications dead "
      "--receiver {}, and portolan_webhook metrics",
      response.notification_id(), flags.receiver, flags.receiver));
  return kExitComplete;
}

}  // namespace

void AddNotifications(Program& program) {
  auto flags = std::make_shared<NotificationsFlags>();
  auto self = std::make_shared<CLI::App*>(nullptr);
  CLI::App* notifications = program.AddVerb(
      &program.root(), "notifications",
      {"VERB [OPTION]...", "show, send again or drop what webhooks did not take; test a receiver",
       "Receivers are in the coordinator's webhooks file: docs/webhooks.md.",
       "  portolan notifications test on-call\n"
       "  portolan notifications dead\n"
       "  portolan notifications resend --receiver on-call"},
      [self](Context& context) -> absl::StatusOr<int> {
        context.env.notes->Print((*self)->help());
        return kExitUsage;
      });
  *self = notifications;
  const auto receiver = [&](CLI::App* app) {
    app->add_option("--receiver", flags->receiver, "Only of this receiver.")
        ->option_text("NAME")
        ->group("Which");
  };
  CLI::App* dead = program.AddVerb(
      notifications, "dead",
      {"[OPTION]...", "list notifications that were given up",
       "Refused by the receiver, or not taken for as long as it is tried. They are kept until they "
       "are sent again or dropped. A group of notifications is one, of the kind group.",
       "  portolan notifications dead --receiver on-call"},
      [flags](Context& context) { return RunDead(*flags, context); });
  receiver(dead);
  AddJsonFlag(dead, &flags->json, "dead-letter");
  for (const bool drop : {false, true}) {
    CLI::App* app = program.AddVerb(
        notifications, drop ? "drop" : "resend",
        {"[OPTION]... [N]",
         drop ? "drop notifications that were given up"
              : "send notifications that were given up again",
         drop ? "One by its number, those of a receiver, or all of them with --all."
              : "One by its number, those of a receiver, or all of them. They keep their ids, so a "
                "receiver can tell what it has seen.",
         drop ? "  portolan notifications drop 17\n  portolan notifications drop --receiver old"
              : "  portolan notifications resend\n  portolan notifications resend 17"},
        [flags, drop](Context& context) { return RunSettle(*flags, drop, context); });
    app->add_option("number", flags->number, "Its number, as dead shows it.")
        ->option_text("N")
        ->check(CLI::Range(int64_t{1}, INT64_MAX))
        ->group("Which");
    receiver(app);
    if (drop) app->add_flag("--all", flags->all, "Of all receivers.")->group("Which");
  }
  CLI::App* test =
      program.AddVerb(notifications, "test",
                      {"RECEIVER", "send a test message to a receiver", "It passes every filter.",
                       "  portolan notifications test on-call"},
                      [flags](Context& context) { return RunTest(*flags, context); });
  test->add_option("receiver", flags->receiver, "Its name in the webhooks file.")
      ->option_text("RECEIVER")
      ->required()
      ->group("Which");
}

}  // namespace portolan
