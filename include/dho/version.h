/* The version of these headers. CMakeLists.txt reads it here. Before 1.0 any minor version may
 * change what it likes; patches do not. */
#ifndef DHO_VERSION_H
#define DHO_VERSION_H

#define DHO_VERSION_MAJOR 0
#define DHO_VERSION_MINOR 1
#define DHO_VERSION_PATCH 0
#define DHO_VERSION "0.1.0"
/* #if DHO_VERSION_AT_LEAST(0, 2, 0) */
#define DHO_VERSION_AT_LEAST(major, minor, patch)                                  \
    (DHO_VERSION_MAJOR * 1000000 + DHO_VERSION_MINOR * 1000 + DHO_VERSION_PATCH >= \
     (major)*1000000 + (minor)*1000 + (patch))

#endif
