# Cross build for aarch64 from another Debian; the tests run under QEMU's user emulation:
#   launch/check.sh arm64
# The libraries are those of build/aarch64-sysroot (launch/sysroot.sh), or of DHO_SYSROOT.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(DHO_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/../build/aarch64-sysroot" CACHE PATH
  "Libraries of aarch64 (launch/sysroot.sh)")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES DHO_SYSROOT)
get_filename_component(CMAKE_SYSROOT "${DHO_SYSROOT}" ABSOLUTE)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(dho_libraries "${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${CMAKE_SYSROOT}")
set(ENV{PKG_CONFIG_LIBDIR} "${dho_libraries}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig")
# mpicc is a program of the other architecture.
set(MPI_C_COMPILER NOTFOUND CACHE FILEPATH "")
set(MPI_C_HEADER_DIR "${dho_libraries}/openmpi/include" CACHE PATH "")
set(MPI_C_LIB_NAMES mpi CACHE STRING "")
set(MPI_mpi_LIBRARY "${dho_libraries}/openmpi/lib/libmpi.so" CACHE FILEPATH "")

# Debian puts BLIS where the loader finds it by the package's script, which has not run here.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L "${CMAKE_SYSROOT}"
  -E "LD_LIBRARY_PATH=/usr/lib/aarch64-linux-gnu/blis-openmp:/usr/lib/aarch64-linux-gnu/openmpi/lib")
