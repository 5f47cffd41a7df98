// Maximum and average over windows.
#include "act.h"
#include "window.h"
#include <string.h>
#define VK_BODY "window_body.h"
#include "each_isa.h"

const vk_fn vk_window_fwd[VK_ISAS] = VK_TABLE(vk_window_fwd_fn);
const vk_fn vk_window_bwd[VK_ISAS] = VK_TABLE(vk_window_bwd_fn);
