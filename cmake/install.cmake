# the built tree → PREFIX: the program, the library, its headers and what find_package(soma) reads.
include(CMakePackageConfigHelpers)
set(SOMA_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/soma)

install(TARGETS soma EXPORT somaTargets)
install(DIRECTORY include/soma TYPE INCLUDE)
install(FILES README.md LICENSE TYPE DOC)
install(EXPORT somaTargets NAMESPACE soma:: DESTINATION ${SOMA_CMAKE_DIR})
configure_package_config_file(cmake/somaConfig.cmake.in somaConfig.cmake INSTALL_DESTINATION ${SOMA_CMAKE_DIR})
write_basic_package_version_file(somaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/somaConfig.cmake ${PROJECT_BINARY_DIR}/somaConfigVersion.cmake DESTINATION ${SOMA_CMAKE_DIR})
