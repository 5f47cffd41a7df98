// Global average pooling.
#include "act.h"
#define VK_BODY "pool_body.h"
#include "each_isa.h"

const vk_fn vk_avgpool_fwd[VK_ISAS] = VK_TABLE(vk_avgpool_fwd_fn);
const vk_fn vk_avgpool_bwd[VK_ISAS] = VK_TABLE(vk_avgpool_bwd_fn);
