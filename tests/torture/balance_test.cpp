// The balance finds each sort of loss, and lets nobody answer for more than what he may.
#include "tests/torture/balance.hpp"

#include <gtest/gtest.h>

#include "tests/torture/books.hpp"

namespace signalbox::torture {
namespace {

class BalanceTest : public testing::Test {
 protected:
  // A message of `flow` that a broker confirmed or refused.
  Record& message(Flow flow, State state = State::confirmed, uint8_t broker = 1) {
    Record& record = scoreboard_.record(scoreboard_.take_number());
    record.flow = static_cast<uint8_t>(flow);
    record.settled_by = broker;
    record.state = state;
    return record;
  }
  Balance strike() { return strike_balance(scoreboard_, brokers_); }
  static bool says(const Balance& balance, std::string_view text) {
    for (const std::string& fault : balance.faults)
      if (fault.find(text) != std::string::npos) return true;
    return false;
  }

  Scoreboard scoreboard_{Scoreboard::create(1000), 1000};
  std::vector<BrokerEnd> brokers_{BrokerEnd{}};
};

TEST_F(BalanceTest, HoldsWhereAllWasHandledOrReadAsADeadLetter) {
  message(Flow::question).copies[0].handled = 3;
  message(Flow::question).copies[0].dead = Copy::dead_letter_read;
  message(Flow::question, State::handed_over);
  const Balance balance = strike();
  EXPECT_TRUE(balance.holds());
  EXPECT_EQ(balance.messages, 3u);
  EXPECT_EQ(balance.handled, 1u);
  EXPECT_EQ(balance.handled_again, 2u);
  EXPECT_EQ(balance.dead_letters, 1u);
  EXPECT_EQ(balance.untold, 1u);
}

TEST_F(BalanceTest, MissesAMessage) {
  message(Flow::question).copies[0].handled = 1;
  message(Flow::question);
  const Balance balance = strike();
  EXPECT_FALSE(balance.holds());
  EXPECT_EQ(balance.lost, 1u);
  EXPECT_TRUE(says(balance, "message 2 never arrived: from gateway"));
}

TEST_F(BalanceTest, MissesOneCopyOfTwo) {
  message(Flow::feed).copies[0].handled = 1;
  const Balance balance = strike();
  EXPECT_EQ(balance.lost, 1u);
  EXPECT_TRUE(says(balance, "to monitor"));
}

TEST_F(BalanceTest, CountsWhatAKilledBrokerHadConfirmedApart) {
  brokers_ = {{.killed = true}, {}};
  message(Flow::question, State::confirmed, 1);
  EXPECT_TRUE(strike().holds());
  EXPECT_EQ(strike().killed, 1u);
  message(Flow::question, State::confirmed, 2);
  EXPECT_EQ(strike().lost, 1u);
}

TEST_F(BalanceTest, LetsADrainedBrokerAnswerForAsManyAsItSaid) {
  brokers_ = {{.left_behind = 2}};
  message(Flow::question);
  message(Flow::question);
  EXPECT_TRUE(strike().holds());
  EXPECT_EQ(strike().left_behind, 2u);
  message(Flow::question);
  EXPECT_EQ(strike().lost, 1u);
  EXPECT_TRUE(says(strike(), "broker 1 owes 3 messages"));
}

TEST_F(BalanceTest, LetsAPolicyAnswerForWhatTheBrokerCounted) {
  brokers_ = {{.expired = 3}};
  scoreboard_.totals().expired_letters[1] = 1;
  message(Flow::brief);
  message(Flow::brief);
  EXPECT_TRUE(strike().holds());
  EXPECT_EQ(strike().expired, 2u);
  message(Flow::brief);
  EXPECT_EQ(strike().lost, 1u) << "the third expiry was that of a dead letter";
}

TEST_F(BalanceTest, LetsNothingExpireThatMayNot) {
  brokers_ = {{.expired = 10, .dropped = 10}};
  message(Flow::dated);
  EXPECT_EQ(strike().lost, 1u);
}

TEST_F(BalanceTest, LetsDropsAnswerForWhatTheBrokerCountedAndForNothingElse) {
  brokers_ = {{.dropped = 2}};
  message(Flow::spill);
  message(Flow::spill);
  EXPECT_TRUE(strike().holds());
  EXPECT_EQ(strike().dropped, 2u);
  message(Flow::spill);
  EXPECT_EQ(strike().lost, 1u);
  EXPECT_TRUE(says(strike(), "it counted 2 dropped, and 3 that may be dropped are missing"));
  brokers_ = {{.dropped = 3}};
  EXPECT_TRUE(strike().holds());
  message(Flow::brief);
  EXPECT_EQ(strike().lost, 1u) << "what may expire may not be dropped";
}

TEST_F(BalanceTest, FindsARefusedMessageThatWasDelivered) {
  brokers_ = {{}, {}};
  Record& record = message(Flow::flood, State::refused, 2);
  record.copies[0].delivered = 1;
  record.copies[0].delivered_by = 1;
  EXPECT_TRUE(strike().holds()) << "the broker before may have had it";
  record.copies[0].delivered_by = 2;
  const Balance balance = strike();
  EXPECT_FALSE(balance.holds());
  EXPECT_EQ(balance.wrongly_delivered, 1u);
  EXPECT_TRUE(says(balance, "was refused, and delivered"));
}

// The books of `pager`, which sends events about what broker 4 has handed out to it.
class EventBooksTest : public testing::Test {
 protected:
  EventBooksTest() {
    for (assignment_.slot = 0; slots[assignment_.slot].endpoint != "pager";) ++assignment_.slot;
  }
  void send_event() {
    ASSERT_TRUE(books_.next(event_, Flow::receipt, "pager", Books::Subject{7, 4}));
    books_.taken(1);
  }

  Scoreboard scoreboard_{Scoreboard::create(1000), 1000};
  Assignment assignment_;
  Books books_{scoreboard_, assignment_};
  std::string event_;
};

TEST_F(EventBooksTest, AnEventSaysWhichMessageItIsAbout) {
  send_event();
  MessageView view;
  ASSERT_EQ(view.scan(event_), Scan::ok) << view.fault();
  EXPECT_EQ(view.kind(), MessageKind::event);
  EXPECT_EQ(view.text(Field::user_message_id), "m7");
  const std::optional<Identity> identity = read_message(view);
  ASSERT_TRUE(identity.has_value());
  EXPECT_EQ(identity->number, 1u);
  EXPECT_EQ(identity->flow, Flow::receipt);
}

TEST_F(EventBooksTest, ABrokerThatForgotWhatItHandedOutIsAtFault) {
  send_event();
  books_.refused(1, 4, "no_route");
  EXPECT_EQ(scoreboard_.faults(), 1u);
}

TEST_F(EventBooksTest, ABrokerThatNeverHandedItOutMayRefuseIt) {
  send_event();
  books_.refused(1, 5, "no_route");
  books_.refused(1, 4, "queue_full");
  EXPECT_EQ(scoreboard_.faults(), 0u);
}

}  // namespace
}  // namespace signalbox::torture
