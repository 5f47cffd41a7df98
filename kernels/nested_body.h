// Nested quantizers for one instruction set. `levels` is constant in every inlined function: 0 for truncate.

// A vk_nest in every lane.
typedef struct {
	v16 step, inv, lo, hi, f[VK_NESTED_LEVELS], finv[VK_NESTED_LEVELS], z[VK_NESTED_LEVELS], shift, offset;
} VK(nest);

V_INLINE VK(nest) VK(nest_of)(const vk_nest *n) {
	VK(nest) v = {.step = v_set1(n->q.step), .inv = v_set1(n->q.inv), .lo = v_set1(n->q.lo), .hi = v_set1(n->q.hi),
	              .shift = v_set1(n->shift), .offset = v_set1(n->offset)};
	for (int l = 0; l < VK_NESTED_LEVELS; l++) v.f[l] = v_set1(n->f[l]), v.finv[l] = v_set1(n->inv[l]), v.z[l] = v_set1(n->z[l]);
	return v;
}

// vk_quant_clamp and vk_quant_divide, lane by lane; without fused operations the division itself.
V_INLINE v16 VK(nest_clamp)(v16 x, const VK(nest) *n) { return v_min(n->hi, v_max(n->lo, x)); }
V_INLINE v16 VK(nest_divide)(v16 x, const VK(nest) *n) {
#if VK_ISA == 0
	return v_div(x, n->step);
#else
	const v16 v = v_mul(x, n->inv);
	return v_mul_add(v_neg_mul_add(v, n->step, x), n->inv, v);
#endif
}

// vk_nest_terms, lane by lane.
V_INLINE void VK(nest_terms)(const int levels, const VK(nest) *n, v16 v, v16 *t) {
	v16 q[VK_NESTED_LEVELS], next = v_zero();
	if (levels == 0) {
		t[0] = v_mul_add(n->f[0], v_rint(v_mul(v_sub(v_rint(v), n->shift), n->finv[0])), n->offset);
		return;
	}
#pragma GCC unroll 4
	for (int l = 0; l < levels; l++) {
		q[l] = v_rint(v_mul(v, n->finv[l]));
		v = v_neg_mul_add(n->f[l], q[l], v);
	}
#pragma GCC unroll 4
	for (int l = levels - 1; l >= 0; l--) {
		t[l] = v_mul_add(n->f[l], q[l], next);
		next = v_mul(n->z[l], t[l]);
	}
}

V_INLINE v16 VK(nest_get)(const float *p, int n) { return n == 16 ? v_load(p) : v_load_n(p, n); }
V_INLINE void VK(nest_put)(float *p, v16 v, int n) {
	if (n == 16)
		v_store(p, v);
	else
		v_store_n(p, v, n);
}

V_INLINE void VK(nested_fwd_n)(const int levels, const nested_rows *r) {
	const VK(nest) n = VK(nest_of)(&r->n);
	const v16 gain = v_set1(r->n.q.step * r->gate);
	for (int row = 0; row < r->rows; row++) {
		const float *x = r->x + row * r->x_row;
		float *y = r->y + row * r->y_row;
		for (int64_t i = 0; i < r->len; i += 16) {
			const int lanes = r->len - i < 16 ? (int)(r->len - i) : 16;
			v16 t[VK_NESTED_LEVELS];
			VK(nest_terms)(levels, &n, VK(nest_divide)(VK(nest_clamp)(VK(nest_get)(x + i, lanes), &n), &n), t);
			VK(nest_put)(y + i, v_mul(gain, t[0]), lanes);
		}
	}
}

static void VK(nested_fwd)(const nested_rows *r) {
	switch (r->n.levels) {
	case 0: VK(nested_fwd_n)(0, r); break;
	case 1: VK(nested_fwd_n)(1, r); break;
	case 2: VK(nested_fwd_n)(2, r); break;
	case 3: VK(nested_fwd_n)(3, r); break;
	case 4: VK(nested_fwd_n)(4, r); break;
	}
}

V_INLINE void VK(nested_bwd_n)(const int levels, const int sums, const nested_rows *r, nested_sums *out) {
	const VK(nest) n = VK(nest_of)(&r->n);
	const v16 slope = v_set1(r->gate * r->scale);
	v16 t[VK_NESTED_LEVELS], dt[VK_NESTED_LEVELS], param = v_zero();
	for (int l = 0; l < VK_NESTED_LEVELS; l++) dt[l] = v_zero();
	for (int row = 0; row < r->rows; row++) {
		const float *x = r->x + row * r->x_row, *dy = r->dy + row * r->y_row;
		float *dx = r->dx ? r->dx + row * r->dx_row : 0;
		for (int64_t i = 0; i < r->len; i += 16) {
			const int lanes = r->len - i < 16 ? (int)(r->len - i) : 16;
			const v16 g = VK(nest_get)(dy + i, lanes), value = VK(nest_get)(x + i, lanes), clamped = VK(nest_clamp)(value, &n);
			const v16m in = v_eq(clamped, value);
			if (dx) {
				const v16 d = v_mul(g, v_keep(in, slope));
				VK(nest_put)(dx + i, r->add ? v_add(VK(nest_get)(dx + i, lanes), d) : d, lanes);
			}
			if (!sums) continue;
			const v16 v = VK(nest_divide)(clamped, &n);
			VK(nest_terms)(levels, &n, v, t);
			const int terms = levels ? levels : 1;
#pragma GCC unroll 4
			for (int l = 0; l < terms; l++) dt[l] = v_mul_add(g, t[l], dt[l]);
			param = v_mul_add(g, v_sub(t[0], v_keep(in, v)), param);
		}
	}
	if (!sums) return;
	for (int l = 0; l < VK_NESTED_LEVELS; l++) out->t[l] = v_sum(dt[l]);
	out->param = v_sum(param);
}

// out null: dx alone.
static void VK(nested_bwd)(const nested_rows *r, nested_sums *out) {
	if (!out) {
		VK(nested_bwd_n)(0, 0, r, 0);
		return;
	}
	switch (r->n.levels) {
	case 0: VK(nested_bwd_n)(0, 1, r, out); break;
	case 1: VK(nested_bwd_n)(1, 1, r, out); break;
	case 2: VK(nested_bwd_n)(2, 1, r, out); break;
	case 3: VK(nested_bwd_n)(3, 1, r, out); break;
	case 4: VK(nested_bwd_n)(4, 1, r, out); break;
	}
}

static void VK(vk_nested_input_fwd_fn)(const void *args, int begin, int end) {
	const vk_nested_input_fwd_args *a = args;
	nested_rows r = {.n = vk_nest_of(&a->n, 0), .x_row = vk_act_row(&a->x), .y_row = vk_act_row(&a->y), .rows = a->x.h,
	                 .len = (int64_t)a->x.w * a->x.c};
	r.gate = r.n.z[0];
	for (int i = begin; i < end; i++) {
		r.x = vk_act_image(&a->x, i), r.y = vk_act_image(&a->y, i);
		VK(nested_fwd)(&r);
	}
}

static void VK(vk_nested_input_bwd_fn)(const void *args, int begin, int end) {
	const vk_nested_input_bwd_args *a = args;
	nested_rows r = {.n = vk_nest_of(&a->n, 0), .scale = 1, .x_row = vk_act_row(&a->x), .y_row = vk_act_row(&a->dy),
	                 .dx_row = a->dx.p ? vk_act_row(&a->dx) : 0, .rows = a->x.h, .len = (int64_t)a->x.w * a->x.c, .add = a->accumulate};
	r.gate = r.n.z[0];
	const int columns = a->n.widths + 1;
	for (int i = begin; i < end; i++) {
		nested_sums sums;
		r.x = vk_act_image(&a->x, i), r.dy = vk_act_image(&a->dy, i), r.dx = a->dx.p ? vk_act_image(&a->dx, i) : 0;
		VK(nested_bwd)(&r, a->partial ? &sums : 0);
		if (a->partial) nested_write(&r, &sums, a->n.widths, 1, a->partial + (int64_t)i * columns, 0);
	}
}

static void VK(vk_nested_weight_fwd_fn)(const void *args, int begin, int end) {
	const vk_nested_weight_fwd_args *a = args;
	for (int k = begin; k < end; k++) {
		nested_rows r = {.n = vk_nest_of(&a->n, a->per_tensor ? 0 : k), .x = a->w + (int64_t)k * a->len, .y = a->y + (int64_t)k * a->len,
		                 .rows = 1, .len = a->len};
		r.gate = (a->prune ? a->prune[k] : 1) * r.n.z[0];
		VK(nested_fwd)(&r);
	}
}

static void VK(vk_nested_weight_bwd_fn)(const void *args, int begin, int end) {
	const vk_nested_weight_bwd_args *a = args;
	for (int k = begin; k < end; k++) {
		const int64_t at = (int64_t)k * a->len;
		const float prune = a->prune ? a->prune[k] : 1;
		nested_rows r = {.n = vk_nest_of(&a->n, a->per_tensor ? 0 : k), .scale = *a->grad_scale, .x = a->w + at, .dy = a->dy + at,
		                 .dx = a->dw + at, .rows = 1, .len = a->len, .add = 1};
		r.gate = prune * r.n.z[0];
		nested_sums sums;
		VK(nested_bwd)(&r, a->partial ? &sums : 0);
		if (a->partial) nested_write(&r, &sums, a->n.widths, prune, a->partial + (int64_t)k * (a->n.widths + 1), a->dprune ? a->dprune + k : 0);
	}
}
