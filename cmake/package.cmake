# What the program writes about itself, man pages and completion, and packages of it all (cpack).
# A cross build cannot run the program: it has none of these pages.
if(NOT CMAKE_CROSSCOMPILING)
  set(pages ${CMAKE_BINARY_DIR}/man)
  set(completion ${CMAKE_BINARY_DIR}/completion/dho)
  add_custom_command(OUTPUT ${pages}/dho.1 ${completion} DEPENDS dho_program
    COMMAND ${CMAKE_COMMAND} -E make_directory ${pages} ${CMAKE_BINARY_DIR}/completion
    COMMAND $<TARGET_FILE:dho_program> help --man ${pages}
    COMMAND $<TARGET_FILE:dho_program> completion bash > ${completion} VERBATIM)
  add_custom_target(dho_pages ALL DEPENDS ${pages}/dho.1 ${completion})
  install(DIRECTORY ${pages}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endif()

set(CPACK_PACKAGE_NAME dho)
set(CPACK_PACKAGE_CONTACT "dho <https://arxiv.org/abs/2505.07675>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY
  "distributed semi-supervised distillation from vision-language models")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_GENERATOR DEB)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON) # the libraries that the program and libdho are linked with
set(CPACK_DEBIAN_PACKAGE_DEPENDS openmpi-bin)
set(CPACK_STRIP_FILES ON)
include(CPack)
