// What is filled in for people, and what is left as it was typed.
#include "broker/program/typed_message.hpp"

#include <gtest/gtest.h>

#include "broker/program/json_message.hpp"
#include "worker/message.hpp"

namespace signalbox {
namespace {

std::string filled_in(std::string_view json) {
  std::string bytes;
  EXPECT_EQ(append_message_pack(bytes, json), "");
  fill_in(bytes);
  return bytes;
}

std::string json_of(Bytes encoded) {
  std::string json;
  EXPECT_EQ(append_json(json, encoded), "");
  return json;
}

TEST(TypedMessage, TwoFieldsAreEnough) {
  const std::string bytes = filled_in(R"({"to_addr":"+123","content":"hi"})");
  const Message message(bytes);
  EXPECT_TRUE(message.is_user_message());
  EXPECT_EQ(message.to_addr(), "+123");
  EXPECT_EQ(message.content(), "hi");
  EXPECT_EQ(message.message_id().size(), 32u);
  EXPECT_EQ(message.timestamp().size(), 26u);
  EXPECT_EQ(message.text("message_version"), "20110921");
  // All that a message has which is made in C++, and nothing more, behind what was typed.
  EXPECT_EQ(message.fields(), Message::user_message().fields());
  EXPECT_EQ(json_of(bytes).rfind(R"({"to_addr":"+123","content":"hi","message_type":"user_message",)", 0), 0u);
  EXPECT_NE(Message(filled_in("{}")).message_id(), message.message_id());
}

TEST(TypedMessage, WhatIsThereStaysNilToo) {
  const std::string bytes = filled_in(
      R"({"message_id":"mine","content":{"$bin":"AAEC"},"timestamp":null,"helper_metadata":{"a":1.0},"own":[1]})");
  const Message message(bytes);
  EXPECT_EQ(message.message_id(), "mine");
  EXPECT_EQ(message.value("timestamp"), "\xc0");
  EXPECT_EQ(json_of(message.value("content")), R"({"$bin":"AAEC"})");
  EXPECT_EQ(json_of(message.value("helper_metadata")), R"({"a":1.0})");
  EXPECT_EQ(json_of(message.value("own")), "[1]");
  EXPECT_EQ(message.fields(), Message::user_message().fields() + 1);
}

TEST(TypedMessage, AnEventGetsItsIdAndTime) {
  const std::string bytes = filled_in(
      R"({"message_type":"event","event_type":"delivery_report","user_message_id":"u","delivery_status":"delivered"})");
  const Message message(bytes);
  EXPECT_EQ(message.event_id().size(), 32u);
  EXPECT_EQ(message.timestamp().size(), 26u);
  EXPECT_EQ(message.event_type(), "delivery_report");
  EXPECT_EQ(message.user_message_id(), "u");
  EXPECT_EQ(message.delivery_status(), "delivered");
  EXPECT_TRUE(message.value("sent_message_id").empty());
  EXPECT_TRUE(message.value("message_id").empty());
  // What it is about has to be typed.
  EXPECT_TRUE(Message(filled_in(R"({"message_type":"event"})")).value("user_message_id").empty());
}

TEST(TypedMessage, OtherMapsStayAsTheyAre) {
  for (const char* json : {R"({"message_type":"status_event","a":1})", R"({"message_type":7})",
                           R"({"message_type":null})", R"({"$map":[[1,2],["content","hi"]]})"})
    EXPECT_EQ(json_of(filled_in(json)), json);
}

}  // namespace
}  // namespace signalbox
