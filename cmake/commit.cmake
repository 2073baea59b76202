# Writes the header commit.h: the commit that is built, the kind of build, the compiler. It is run at
# each build and writes only what has changed.
#   cmake -DSOURCE=FOLDER -DOUT=FILE -DKIND=TEXT -DCOMPILER=TEXT -P commit.cmake
file(READ ${SOURCE}/cmake/commit.txt commit) # "git archive" has filled it in
string(STRIP "${commit}" commit)
if(commit MATCHES "Format:")
  set(commit unknown)
  find_package(Git QUIET)
  if(GIT_FOUND)
    execute_process(COMMAND ${GIT_EXECUTABLE} describe --always --dirty --abbrev=12 --exclude=*
      WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE found RESULT_VARIABLE status
      OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(status EQUAL 0)
      set(commit ${found})
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT [[#define DHO_COMMIT "@commit@"
#define DHO_BUILD_TYPE "@KIND@"
#define DHO_COMPILER "@COMPILER@"
]] @ONLY)
