// Faults for the simulator to find, planted in a build of the core that exists for that alone.
//
// Each place where one is planted stands between #ifdef SIGNALBOX_PLANTED_FAULTS and #endif, so the product holds
// nothing of this file. One build has them all, and a variable chooses: six builds of the core would cost CI more than
// they would show.
//
// Thread: one. Tested by planted_fault_test.cpp.
#pragma once

#include <cstdint>

#ifdef SIGNALBOX_PLANTED_FAULTS

namespace signalbox {

enum class PlantedFault : uint8_t {
  none,
  lost_confirmation,            // a CONFIRM for which there was no room is taken for told
  ack_off_by_one,               // an ACK within a batch settles the message behind it too
  requeued_at_the_tail,         // what came back waits behind all that was never handed out
  window_not_enforced,          // a sender may have as much unconfirmed as it likes
  double_delivery_on_takeover,  // what a taken-over registration had unsettled is queued once more
  run_freed_early,              // a queue lets a block go once all of it has been handed out, settled or not
  delivery_lost_on_loss,        // of a lost connection, the last delivery under way is taken for settled
  late_ack_forgotten,           // an ACK settles nothing of what was taken from its worker
  old_times_after_reload,       // what waits or is under way keeps the time of the configuration before
  parcel_lost,                  // what another lane is to have, where there is no room for it on the way
  waiting_lane_forgotten,       // a queue is back within its limit, and lanes that wait for that are not told
  last_words_unheard            // what a peer sent before it was found gone is dropped
};

// The one in force. Written by tests only.
inline PlantedFault planted_fault = PlantedFault::none;

}  // namespace signalbox

#endif
