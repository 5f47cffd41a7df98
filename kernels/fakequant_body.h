// The mixes of fake-quantized tensors for one instruction set. Candidates are done in groups of a
// constant number nb, so that loops over them unroll and their constants stay in registers.
#undef GROUP
#if VK_ISA
#define GROUP 4
#else
#define GROUP 1
#endif

// vk_quant_divide, lane by lane; without fused operations the division itself.
V_INLINE v16 VK(divide)(v16 x, v16 step, v16 inv) {
#if VK_ISA == 0
	(void)inv;
	return v_div(x, step);
#else
	v16 v = v_mul(x, inv);
	return v_mul_add(v_neg_mul_add(v, step, x), inv, v);
#endif
}

// The constants of a candidate in every lane.
typedef struct {
	v16 step, inv, lo, hi, z;
} VK(candidate);

V_INLINE VK(candidate) VK(spread)(const mix_candidate *c, float z) {
	VK(candidate) v = {v_set1(c->q.step), v_set1(c->q.inv), v_set1(c->q.lo), v_set1(c->q.hi), v_set1(z)};
	return v;
}

// min and max return their second operand where one is NaN.
V_INLINE v16 VK(clamp)(v16 x, const VK(candidate) *c) { return v_min(c->hi, v_max(c->lo, x)); }

V_INLINE v16 VK(get)(const float *p, int n) { return n == 16 ? v_load(p) : v_load_n(p, n); }

V_INLINE void VK(put)(float *p, v16 v, int n) {
	if (n == 16)
		v_store(p, v);
	else
		v_store_n(p, v, n);
}

// y + sum_b z_b step_b code_b(x_b) of n values at offset `at`; c->z is z_b * step_b.
V_INLINE v16 VK(mix16)(const int nb, const VK(candidate) *c, const mix_rows *m, int64_t at, int n, v16 y) {
#pragma GCC unroll 4
	for (int b = 0; b < nb; b++) {
		const v16 x = VK(get)(m->x[b] + at, n);
		const v16 code = v_rint(VK(divide)(VK(clamp)(x, c + b), c[b].step, c[b].inv));
		y = v_mul_add(c[b].z, code, y);
	}
	return y;
}

V_INLINE void VK(mix_rows_n)(const int nb, const mix_rows *m) {
	VK(candidate) c[GROUP];
#pragma GCC unroll 4
	for (int b = 0; b < nb; b++) c[b] = VK(spread)(m->c + b, m->c[b].z * m->c[b].q.step);
	for (int row = 0; row < m->rows; row++) {
		const int64_t x = row * m->x_row;
		float *y = m->y + row * m->y_row;
		int64_t i = 0;
		for (; i + 16 <= m->len; i += 16)
			v_store(y + i, VK(mix16)(nb, c, m, x + i, 16, m->add ? v_load(y + i) : v_zero()));
		const int n = (int)(m->len - i);
		if (n) v_store_n(y + i, VK(mix16)(nb, c, m, x + i, n, m->add ? v_load_n(y + i, n) : v_zero()), n);
	}
}

// Mixes any number of candidates, a group at a time.
static void VK(mix_fwd)(const mix_rows *all) {
	mix_rows m = *all;
	for (int left = m.bits; left > 0; left -= GROUP, mix_skip(&m, GROUP)) {
#if VK_ISA
		if (left >= 4)
			VK(mix_rows_n)(4, &m);
		else if (left == 3)
			VK(mix_rows_n)(3, &m);
		else if (left == 2)
			VK(mix_rows_n)(2, &m);
		else
#endif
			VK(mix_rows_n)(1, &m);
	}
}

static void VK(vk_mix_input_fwd_fn)(const void *args, int begin, int end) {
	const vk_mix_input_fwd_args *a = args;
	mix_rows m = {.x_row = vk_act_row(&a->x), .y_row = vk_act_row(&a->y), .rows = a->x.h, .len = (int64_t)a->x.w * a->x.c,
	              .copy = a->m.bits == 0};
	mix_candidates(&m, &a->m, 1, 0);
	mix_drop_zeros(&m);
	for (int i = begin; i < end; i++) {
		for (int b = 0; b < VK_MAX_BITS; b++) m.x[b] = vk_act_image(&a->x, i);
		m.y = vk_act_image(&a->y, i);
		if (m.bits)
			VK(mix_fwd)(&m);
		else
			mix_none(&m);
	}
}

static void VK(vk_mix_weight_fwd_fn)(const void *args, int begin, int end) {
	const vk_mix_weight_fwd_args *a = args;
	for (int k = begin; k < end; k++) {
		mix_rows m = {.rows = 1, .len = a->len, .y = a->y + (int64_t)k * a->len, .copy = a->m.bits == 0};
		mix_candidates(&m, &a->m, a->step_per_tensor ? 1 : a->k, a->step_per_tensor ? 0 : k);
		for (int b = 0; b < VK_MAX_BITS; b++) m.x[b] = a->w + ((a->shared ? 0 : (int64_t)b * a->k) + k) * a->len;
		mix_drop_zeros(&m);
		if (m.bits)
			VK(mix_fwd)(&m);
		else
			mix_none(&m);
	}
}

V_INLINE void VK(give)(float *p, v16 v, int n, int add) { VK(put)(p, add ? v_add(VK(get)(p, n), v) : v, n); }

// Gradients of n values at offset `at` of x and `to` of dx. dz[b] gathers dy * code, ds[b]
// dy * (code - in * x/step); c->z is the factor of dx.
V_INLINE void VK(mix_bwd16)(const int nb, const int sums, const int separate, const VK(candidate) *c, const mix_rows *m,
                            int64_t at, int64_t to, const float *from, int n, v16 *dz, v16 *ds) {
	const v16 dy = VK(get)(from, n);
	v16 factor = v_zero(), x = v_zero();
#pragma GCC unroll 4
	for (int b = 0; b < nb; b++) {
		if (b == 0 || separate) x = VK(get)(m->x[b] + at, n);
		const v16 clamped = VK(clamp)(x, c + b);
		const v16m in = v_eq(clamped, x);
		if (separate) {
			if (m->dx[b] && m->c[b].z != 0) VK(give)(m->dx[b] + to, v_mul(dy, v_keep(in, c[b].z)), n, 1);
		} else {
			factor = v_add(factor, v_keep(in, c[b].z));
		}
		if (sums) {
			const v16 v = VK(divide)(clamped, c[b].step, c[b].inv), code = v_rint(v);
			dz[b] = v_mul_add(dy, code, dz[b]);
			ds[b] = v_mul_add(dy, v_sub(code, v_keep(in, v)), ds[b]);
		}
	}
	if (!separate && m->dx[0]) VK(give)(m->dx[0] + to, v_mul(dy, factor), n, m->add);
}

V_INLINE void VK(mix_bwd_n)(const int nb, const int sums, const int separate, const mix_rows *m, float *partial) {
	VK(candidate) c[GROUP];
	v16 dz[GROUP], ds[GROUP];
#pragma GCC unroll 4
	for (int b = 0; b < nb; b++) {
		c[b] = VK(spread)(m->c + b, m->c[b].z * m->scale);
		dz[b] = ds[b] = v_zero();
	}
	for (int row = 0; row < m->rows; row++) {
		const int64_t x = row * m->x_row, dx = row * m->dx_row;
		const float *dy = m->dy + row * m->y_row;
		int64_t i = 0;
		for (; i + 16 <= m->len; i += 16) VK(mix_bwd16)(nb, sums, separate, c, m, x + i, dx + i, dy + i, 16, dz, ds);
		const int n = (int)(m->len - i);
		if (n) VK(mix_bwd16)(nb, sums, separate, c, m, x + i, dx + i, dy + i, n, dz, ds);
	}
	if (!sums) return;
#pragma GCC unroll 4
	for (int b = 0; b < nb; b++) {
		partial[b] = m->c[b].q.step * v_sum(dz[b]);
		partial[m->bits + b] = m->c[b].z * v_sum(ds[b]);
	}
}

V_INLINE void VK(mix_bwd_group)(int left, const int separate, const mix_rows *m, float *partial) {
	(void)left;
#if VK_ISA
	if (left >= 4)
		VK(mix_bwd_n)(4, 1, separate, m, partial);
	else if (left == 3)
		VK(mix_bwd_n)(3, 1, separate, m, partial);
	else if (left == 2)
		VK(mix_bwd_n)(2, 1, separate, m, partial);
	else
#endif
		VK(mix_bwd_n)(1, 1, separate, m, partial);
}

// separate: each candidate has its own x and dx. The first group sets dx, or adds where m->add.
static void VK(mix_bwd)(const mix_rows *all, int separate, float *partial) {
	mix_rows m = *all;
	const int group = partial ? GROUP : 1;
	for (int left = m.bits; left > 0; left -= group, mix_skip(&m, group)) {
		if (!partial)
			VK(mix_bwd_n)(1, 0, 0, &m, 0);
		else if (separate)
			VK(mix_bwd_group)(left, 1, &m, partial + all->bits - left);
		else
			VK(mix_bwd_group)(left, 0, &m, partial + all->bits - left);
	}
	if (!all->bits) mix_none_bwd(all);
}

static void VK(vk_mix_input_bwd_fn)(const void *args, int begin, int end) {
	const vk_mix_input_bwd_args *a = args;
	mix_rows m = {.x_row = vk_act_row(&a->x), .dx_row = a->dx.p ? vk_act_row(&a->dx) : 0, .y_row = vk_act_row(&a->dy),
	              .rows = a->x.h, .len = (int64_t)a->x.w * a->x.c, .add = a->accumulate, .scale = 1, .copy = a->m.bits == 0};
	mix_candidates(&m, &a->m, 1, 0);
	if (!a->partial) mix_drop_zeros(&m);
	for (int i = begin; i < end; i++) {
		for (int b = 0; b < VK_MAX_BITS; b++) {
			m.x[b] = vk_act_image(&a->x, i);
			m.dx[b] = a->dx.p ? vk_act_image(&a->dx, i) : 0;
		}
		m.dy = vk_act_image(&a->dy, i);
		VK(mix_bwd)(&m, 0, a->partial && a->m.bits ? a->partial + (int64_t)i * 2 * a->m.bits : 0);
	}
}

static void VK(vk_mix_weight_bwd_fn)(const void *args, int begin, int end) {
	const vk_mix_weight_bwd_args *a = args;
	for (int k = begin; k < end; k++) {
		mix_rows m = {.rows = 1, .len = a->len, .dy = a->dy + (int64_t)k * a->len, .add = 1, .scale = *a->grad_scale, .copy = a->m.bits == 0};
		mix_candidates(&m, &a->m, a->step_per_tensor ? 1 : a->k, a->step_per_tensor ? 0 : k);
		for (int b = 0; b < VK_MAX_BITS; b++) {
			const int64_t at = ((a->shared ? 0 : (int64_t)b * a->k) + k) * a->len;
			m.x[b] = a->w + at;
			m.dx[b] = a->dw + at;
		}
		if (!a->partial) mix_drop_zeros(&m);
		VK(mix_bwd)(&m, !a->shared, a->partial && a->m.bits ? a->partial + (int64_t)k * 2 * a->m.bits : 0);
	}
}

// Adds the squared errors of n values under each candidate step. The compiler puts the candidates side by
// side: each sum runs over the values in order, and nothing is fused, so every set gives the same bits.
static void VK(add_step_errors)(const float *x, int64_t n, const float *step, float qmin, float qmax, double *error) {
	const float magic = 0x1.8p23f; // added and taken away, it rounds |v| < 2^22 to even
	for (int64_t j = 0; j < n; j++) {
		for (int i = 0; i < STEP_CANDIDATES; i++) {
			float v = x[j] / step[i];
			v = qmin > v ? qmin : v;
			v = qmax < v ? qmax : v;
			const double d = (double)(step[i] * (v + magic - magic)) - x[j];
			error[i] += d * d;
		}
	}
}
