/* Where a sealed safetensors file has its CRC. Private to src/weights. */
#ifndef DHO_WEIGHTS_SAFETENSORS_SEAL_H
#define DHO_WEIGHTS_SAFETENSORS_SEAL_H

#include "dho/safetensors.h"

/* In the header, before the digits. No name and no value can hold it: JSON escapes their quotes. */
#define DHO_SEAL_TEXT "\"" DHO_SEAL_KEY "\":\""

#endif
