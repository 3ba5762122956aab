// Counts what the program asks of the heap. Link in bench/allocations.cpp with the options of bench/allocations.cmake.
//
// Thread: any; the counter is an atomic, read between two measurements on the thread that works.
#pragma once

#include <cstdint>

namespace signalbox::bench {

// Calls of operator new and of malloc and its kin since the program began, by its own objects and by operator new in
// any.
uint64_t allocation_count();

// Bytes that live on the heap now, by malloc's own books: its overhead for each block included, its free lists not.
uint64_t heap_bytes();

}  // namespace signalbox::bench
