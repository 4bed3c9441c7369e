package window

// direction is how a number, or the truth of a condition, moves as events are added to the window.
// At most one of rising, falling and mixed is set.
type direction struct {
	rising, falling bool
	mixed           bool // it may move either way
	partial         bool // it may be undefined
	positive        bool // it is never negative
	windowed        bool // it depends on the events of a window at all
	// it moves only as events enter or leave; time alone, and the past, do nothing
	steady bool
}

// directionOf is the direction of a function.
func directionOf(f function) direction {
	d := direction{windowed: true, steady: true}
	switch f {
	case count, rate, distinct:
		d.rising, d.positive = true, true
	case most:
		d.rising, d.partial = true, true
	case least:
		d.falling, d.partial = true, true
	case newValues: // an earlier event of a value may have it known already
		d.mixed, d.positive = true, true
	case since:
		d = direction{falling: true, positive: true, windowed: true}
	default:
		d.mixed, d.partial, d.positive = true, f != changed, f == stddev || f == changed
	}
	return d
}

func (d direction) flipped() direction {
	d.rising, d.falling, d.positive = d.falling, d.rising, false
	return d
}

// joined is the direction of an arithmetic operation.
func (d direction) joined(op string, e direction) direction {
	j := direction{
		windowed: d.windowed || e.windowed,
		steady:   d.steady && e.steady,
		mixed:    d.mixed || e.mixed,
		partial:  d.partial || e.partial || op == "/",
	}
	if op == "-" {
		e = e.flipped()
	}
	switch op {
	case "+", "-":
		j.rising, j.falling = d.rising || e.rising, d.falling || e.falling
		j.positive = op == "+" && d.positive && e.positive
	case "/":
		e.rising, e.falling = e.falling, e.rising
		fallthrough
	case "*":
		j.rising, j.falling = d.rising || e.rising, d.falling || e.falling
		j.positive = d.positive && e.positive
		j.mixed = j.mixed || !j.positive && (j.rising || j.falling)
	}
	if j.rising && j.falling {
		j.mixed = true
	}
	if j.mixed {
		j.rising, j.falling = false, false
	}
	return j
}

// compared is the direction of the truth of a comparison. A number that becomes defined may make
// any comparison true.
func (d direction) compared(op string, e direction) direction {
	diff := d.joined("-", e)
	c := direction{windowed: diff.windowed, steady: diff.steady}
	switch up, down := op[0] == '>', op[0] == '<'; {
	case diff.still():
	case up && diff.rising, down && diff.falling:
		c.rising = true
	case up && diff.falling && !diff.partial, down && diff.rising && !diff.partial:
		c.falling = true
	default:
		c.mixed = true
	}
	return c
}

// and is the direction of two conditions joined by and, or by or.
func (d direction) and(e direction) direction {
	j := direction{windowed: d.windowed || e.windowed, steady: d.steady && e.steady}
	switch {
	case d.still() && e.still():
	case !d.mixed && !e.mixed && !d.falling && !e.falling:
		j.rising = true
	case !d.mixed && !e.mixed && !d.rising && !e.rising:
		j.falling = true
	default:
		j.mixed = true
	}
	return j
}

// still says whether events have no influence at all.
func (d direction) still() bool { return !d.rising && !d.falling && !d.mixed }
