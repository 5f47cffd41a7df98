#define VK_BODY "similarity_body.h"
#include "each_isa.h"

const vk_fn vk_similarity[VK_ISAS] = VK_TABLE(vk_similarity_fn);
