package data

import "math"

// apply varies the colours of p, RGB, in place, as torchvision's ColorJitter does with Pillow: up to four changes, in
// a random order.
func (j Jitter) apply(p picture, draws *Draws) {
	if j == (Jitter{}) {
		return
	}
	order := [4]int{0, 1, 2, 3}
	for i := 3; i > 0; i-- {
		k := draws.below(i + 1)
		order[i], order[k] = order[k], order[i]
	}
	factor := func(x float32) float32 { return float32(draws.uniform(math.Max(0, 1-float64(x)), 1+float64(x))) }
	brightness, contrast, saturation := factor(j.Brightness), factor(j.Contrast), factor(j.Saturation)
	hue := draws.uniform(-float64(j.Hue), float64(j.Hue))
	for _, change := range order {
		switch {
		case change == 0 && j.Brightness > 0:
			p.brightness(brightness)
		case change == 1 && j.Contrast > 0:
			p.contrast(contrast)
		case change == 2 && j.Saturation > 0:
			p.saturation(saturation)
		case change == 3 && j.Hue > 0:
			p.hue(hue)
		}
	}
}

// blend is Pillow's: from + factor (to - from), cut off behind the point.
func blend(from, to uint8, factor float32) uint8 {
	v := float32(from) + float32(factor*float32(int(to)-int(from)))
	return uint8(min(max(v, 0), 255))
}

func (p picture) brightness(factor float32) {
	for i, v := range p.pixels {
		p.pixels[i] = blend(0, v, factor)
	}
}

// grey is Pillow's conversion to L.
func grey(r, g, b uint8) uint8 {
	return uint8((int(r)*19595 + int(g)*38470 + int(b)*7471 + 0x8000) >> 16)
}

func (p picture) contrast(factor float32) {
	sum, n := 0, p.h*p.w
	for i := range n {
		sum += int(grey(p.pixels[3*i], p.pixels[3*i+1], p.pixels[3*i+2]))
	}
	mean := uint8(float64(sum)/float64(n) + 0.5)
	for i, v := range p.pixels {
		p.pixels[i] = blend(mean, v, factor)
	}
}

func (p picture) saturation(factor float32) {
	for i := range p.h * p.w {
		rgb := p.pixels[3*i : 3*i+3]
		from := grey(rgb[0], rgb[1], rgb[2])
		for c, v := range rgb {
			rgb[c] = blend(from, v, factor)
		}
	}
}

// hue turns the colour circle of 256 places by turn*255 of them, cut off behind the point.
func (p picture) hue(turn float64) {
	by := uint8(int(turn * 255))
	for i := range p.h * p.w {
		rgb := p.pixels[3*i : 3*i+3]
		h, s, v := toHSV(rgb[0], rgb[1], rgb[2])
		rgb[0], rgb[1], rgb[2] = fromHSV(h+by, s, v)
	}
}

// toHSV is Pillow's rgb2hsv, after Python's colorsys.
func toHSV(r, g, b uint8) (h, s, v uint8) {
	most, least := max(r, g, b), min(r, g, b)
	if most == least {
		return 0, 0, most
	}
	spread := float32(most - least)
	rc, gc, bc := float32(most-r)/spread, float32(most-g)/spread, float32(most-b)/spread
	var hue float32
	switch most {
	case r:
		hue = bc - gc
	case g:
		hue = float32(2 + float64(rc) - float64(bc))
	default:
		hue = float32(4 + float64(gc) - float64(rc))
	}
	hue = float32(math.Mod(float64(hue)/6+1, 1))
	return uint8(min(float64(hue)*255, 255)), uint8(min(float64(spread/float32(most))*255, 255)), most
}

// fromHSV is Pillow's hsv2rgb.
func fromHSV(h, s, v uint8) (r, g, b uint8) {
	if s == 0 {
		return v, v, v
	}
	sector := math.Floor(float64(float32(h)) * 6 / 255)
	f := float32(float64(float32(h))*6/255 - float64(float32(sector)))
	fs := float32(float64(s) / 255)
	round := func(x float64) uint8 { return uint8(min(max(math.Round(x), 0), 255)) }
	p := round(float64(v) * (1 - float64(fs)))
	q := round(float64(v) * (1 - float64(float32(fs*f))))
	t := round(float64(v) * (1 - float64(fs)*(1-float64(f))))
	switch int(sector) % 6 {
	case 0:
		return v, t, p
	case 1:
		return q, v, p
	case 2:
		return p, v, t
	case 3:
		return p, q, v
	case 4:
		return t, p, v
	}
	return v, p, q
}
