// Another size by taps in rows and columns.
#include "act.h"
#define VK_BODY "resample_body.h"
#include "each_isa.h"

const vk_fn vk_resample[VK_ISAS] = VK_TABLE(vk_resample_fn);
