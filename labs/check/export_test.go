package check

// For tests of package check_test.
var (
	ParseAnswer = parseAnswer
	Why         = why
)
