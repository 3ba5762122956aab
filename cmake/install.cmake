# What `cmake --install` puts where: the program, and the libraries for other projects, as a CMake package and for
# pkg-config. docs/installing.md says it for users, tests/install tries it.
#
# The CMake package has a component for each kind of user, worker, broker and router_plugin, so that a worker needs
# nothing that only the broker does, and a router in a shared library neither.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(signalbox_cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/signalbox)
set(signalbox_packaging ${CMAKE_CURRENT_LIST_DIR}/packaging)
set(signalbox_packaged ${PROJECT_BINARY_DIR}/packaging)

# --- program ---------------------------------------------------------------------------------------------------------
if(SIGNALBOX_PROGRAM)
  install(TARGETS signalbox RUNTIME COMPONENT program)
  install(FILES ${signalbox_packaging}/signalbox.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT manual)
endif()

# --- headers ---------------------------------------------------------------------------------------------------------
# What users include by name. What these include comes along; everything else stays private without being listed.
set(signalbox_public_headers
    protocol/exchange.hpp
    protocol/header.hpp
    protocol/message_view.hpp
    protocol/text.hpp
    protocol/value.hpp
    routers/plugin.hpp
    routers/registry.hpp
    routers/router.hpp
    broker/broker.hpp
    broker/check.hpp
    broker/clock.hpp
    broker/core/core.hpp
    worker/message.hpp
    worker/worker.hpp)
install(
  CODE "set(signalbox_source \"${PROJECT_SOURCE_DIR}\")
set(signalbox_include_folder \"${CMAKE_INSTALL_INCLUDEDIR}/signalbox\")
set(signalbox_public_headers \"${signalbox_public_headers}\")"
  COMPONENT development)
install(SCRIPT ${CMAKE_CURRENT_LIST_DIR}/install_headers.cmake COMPONENT development)

# --- libraries -------------------------------------------------------------------------------------------------------
set(protocol_folders protocol)
set(worker_folders worker)
set(broker_folders routers core broker)
set(router_plugin_folders router_plugin)
foreach(component protocol worker broker router_plugin)
  set(targets ${${component}_folders})
  list(TRANSFORM targets PREPEND signalbox_)
  install(
    TARGETS ${targets}
    EXPORT signalbox-${component}
    ARCHIVE COMPONENT development
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/signalbox)
  install(
    EXPORT signalbox-${component}
    NAMESPACE signalbox::
    FILE ${component}Targets.cmake
    DESTINATION ${signalbox_cmake_folder}
    COMPONENT development)

  # What all of these say they require (signalbox_requires).
  foreach(property LIBRARIES MODULES PACKAGES)
    set(${component}_${property})
    foreach(target IN LISTS targets)
      get_target_property(values ${target} SIGNALBOX_${property})
      if(values)
        list(APPEND ${component}_${property} ${values})
      endif()
    endforeach()
    list(REMOVE_DUPLICATES ${component}_${property})
  endforeach()
endforeach()
set(signalbox_development_packages ${worker_PACKAGES} ${broker_PACKAGES})
list(REMOVE_DUPLICATES signalbox_development_packages)

configure_package_config_file(
  ${signalbox_packaging}/signalboxConfig.cmake.in ${signalbox_packaged}/signalboxConfig.cmake
  INSTALL_DESTINATION ${signalbox_cmake_folder} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${signalbox_packaged}/signalboxConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(
  FILES ${signalbox_packaged}/signalboxConfig.cmake ${signalbox_packaged}/signalboxConfigVersion.cmake
  DESTINATION ${signalbox_cmake_folder}
  COMPONENT development)

# --- pkg-config ------------------------------------------------------------------------------------------------------
# Found from where the file lies, so that an installation may be moved.
set(pkg_config_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pkg_config_prefix /prefix/${pkg_config_folder} /prefix)
string(REGEX REPLACE "/$" "" pkg_config_prefix ${pkg_config_prefix})
set(worker_description "Signalbox's client library, for transports and applications")
set(broker_description "The Signalbox message bus, to run inside a program")
foreach(component worker broker)
  # The archives in the order in which a linker has to see them.
  set(folders ${${component}_folders})
  list(REVERSE folders)
  list(APPEND folders protocol)
  list(TRANSFORM folders PREPEND -lsignalbox_)
  list(JOIN folders " " pkg_config_libraries)
  list(JOIN ${component}_MODULES " " pkg_config_modules)
  set(pkg_config_description "${${component}_description}")
  configure_file(${signalbox_packaging}/signalbox.pc.in ${signalbox_packaged}/signalbox-${component}.pc @ONLY)
  install(
    FILES ${signalbox_packaged}/signalbox-${component}.pc
    DESTINATION ${pkg_config_folder}
    COMPONENT development)
endforeach()
