package errclass

// own is what an error says of itself: packages whose errors this table cannot know give them a method Fault.
func own(err error) (Fault, bool) {
	for e := range tree(err) {
		if k, ok := e.(interface{ Fault() Fault }); ok {
			return k.Fault(), true
		}
	}
	return Fault{}, false
}
