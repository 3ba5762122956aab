# Makes `target` count its heap allocations (bench/allocations.hpp).
function(signalbox_count_allocations target)
  target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/bench/allocations.cpp)
  target_link_options(${target} PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=aligned_alloc)
endfunction()
