package foreign

// Copied has f called between the two readings of a copy.
func (o *Options) Copied(f func()) { o.copied = f }
