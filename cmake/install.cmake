# the built tree → PREFIX: the program with its man pages, completions and service, the library, its headers, and what finds it
# (find_package(soma), pkg-config).
include(CMakePackageConfigHelpers)
set(SOMA_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/soma)

install(TARGETS soma EXPORT somaTargets)
install(DIRECTORY include/soma TYPE INCLUDE)
install(EXPORT somaTargets NAMESPACE soma:: DESTINATION ${SOMA_CMAKE_DIR})
configure_package_config_file(cmake/somaConfig.cmake.in somaConfig.cmake INSTALL_DESTINATION ${SOMA_CMAKE_DIR})
write_basic_package_version_file(somaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/somaConfig.cmake ${PROJECT_BINARY_DIR}/somaConfigVersion.cmake DESTINATION ${SOMA_CMAKE_DIR})
file(RELATIVE_PATH SOMA_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/soma.pc.in soma.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/soma.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# All that README.md links to, at the same place beside it.
install(FILES README.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md LICENSE TYPE DOC)
install(DIRECTORY docs examples TYPE DOC)
install(DIRECTORY presets DESTINATION ${CMAKE_INSTALL_DATADIR}/soma)

set(manual ${PROJECT_BINARY_DIR}/manual)
add_custom_command(OUTPUT ${manual}/bash/soma COMMAND ${PROJECT_SOURCE_DIR}/tools/manual $<TARGET_FILE:soma_program> ${manual}
                   DEPENDS soma_program tools/manual VERBATIM)
if(NOT SOMA_SANITIZE)
  set(with_all ALL)
endif()
add_custom_target(soma_manual ${with_all} DEPENDS ${manual}/bash/soma)
install(DIRECTORY ${manual}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${manual}/bash/soma DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${manual}/fish/soma.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

file(READ deploy/soma.service service)
string(REPLACE /usr/local/bin/soma ${CMAKE_INSTALL_FULL_BINDIR}/soma service "${service}")
file(CONFIGURE OUTPUT soma.service CONTENT "${service}" @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/soma.service DESTINATION lib/systemd/system)
