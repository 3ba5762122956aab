#include "routers/nested_value.hpp"

#include <gtest/gtest.h>

#include <string>

namespace signalbox {
namespace {

using namespace std::string_view_literals;

TEST(TextOf, ReadsEveryWidth) {
  EXPECT_EQ(text_of("\xa3sms"sv), "sms"sv);
  EXPECT_EQ(text_of("\xa0"sv), ""sv);
  EXPECT_EQ(text_of("\xd9\x03sms"sv), "sms"sv);
  EXPECT_EQ(text_of("\xda\x00\x03sms"sv), "sms"sv);
  EXPECT_EQ(text_of("\xdb\x00\x00\x00\x03sms"sv), "sms"sv);
}

TEST(TextOf, GivesNothingForWhatIsNoText) {
  for (Bytes bytes : {""sv, "\xc0"sv, "\x01"sv, "\xc4\x01x"sv, "\x90"sv, "\x80"sv, "\xa3sm"sv, "\xd9"sv, "\xc1"sv}) {
    EXPECT_FALSE(text_of(bytes)) << bytes.size();
  }
}

TEST(LastOf, GivesTheLastElementWhole) {
  EXPECT_EQ(last_of("\x93\x01\x02\xa1x"sv), "\xa1x"sv);
  EXPECT_EQ(last_of("\x92\x01\x92\x02\x03"sv), "\x92\x02\x03"sv);
  EXPECT_EQ(last_of("\xdc\x00\x02\x01\x81\xa1k\xc0"sv), "\x81\xa1k\xc0"sv);
  EXPECT_EQ(last_of("\xdd\x00\x00\x00\x01\xcc\xff"sv), "\xcc\xff"sv);
}

TEST(LastOf, GivesNothingWhereThereIsNone) {
  for (Bytes bytes :
       {""sv, "\x90"sv, "\xc0"sv, "\x80"sv, "\xa1x"sv, "\x92\x01"sv, "\xdc\xff\xff\x01"sv, "\x91\xc1"sv}) {
    EXPECT_TRUE(last_of(bytes).empty()) << bytes.size();
  }
}

}  // namespace
}  // namespace signalbox
