package check

// For tests of package check_test.
var (
	ParseAnswer = parseAnswer
	Why         = why
)

// KindNames are the names of the kinds of checks, in order.
func KindNames() []string { return kinds.names() }

// Rows are the rows of both tables.
func Rows() map[string]any {
	rows := map[string]any{}
	for _, r := range kinds {
		rows[r.name] = r.kind
	}
	for _, r := range acts {
		rows["triggered."+r.name] = r.kind
	}
	return rows
}
