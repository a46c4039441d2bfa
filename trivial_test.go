package atocore_test

import (
	"strings"
	"testing"

	"github.com/atocore/atocore"
)

func TestTrivial(t *testing.T) {
	long := strings.Repeat("The answer goes on and says a good deal. ", 10)
	for _, tt := range []struct {
		prompt, response string
		want             bool
	}{
		{"", "", true},
		{"<private>x</private>", "<private>y</private>", true},
		{"thanks", "You're welcome!", true},
		{"Thanks a lot!", "You're welcome. Let me know if there is anything else that I can do for you today.", true},
		{"ok", "", true},
		{"yes", "Done.", true},
		{"👍", "Great, I'm glad that it works now.", true},
		{"Continue", "I have nothing left to continue with.", true},
		{"go on", "", true},
		{"Hi", "Hello! How can I help you today?", true},
		{"Danke!", "Gern geschehen.", true},
		{"谢谢", "不客气", true},
		{"/clear", "", true},
		{"/model opus", "Set the model.", true},
		{"<command-name>/compact</command-name>", "Compacted.", true},
		{"[Request interrupted by user]", "", true},
		{"", "[Request interrupted by user for tool use]", true},
		{"Stop that", "Stopped.", true},

		{"yes", long, false},
		{"continue", long, false},
		{"/review the login page and its tests please", "I looked.", false},
		{"/review", long, false},
		{"/etc/hosts is broken", "Fixed.", false},
		{"Which port?", "8443.", false},
		{"Which database?", "Postgres.", false},
		{"How deep?", "Very.", false},
		{"I prefer tabs.", "Noted, I will use tabs from now on.", false},
		{"No, use tabs", "OK, tabs it is from now on.", false},
		{"ok", "The build is green: 214 tests passed.", false},
		{"thanks", "See docs/http.md for the rest.", false},
		{"[Request interrupted by user]\nUse the other database instead, please.", "", false},
		{"我们决定使用数据库", "好的", false},
		{"Explain the design of the storage engine", "", false},
	} {
		i := atocore.Interaction{Prompt: tt.prompt, Response: tt.response}
		if got := i.Trivial(); got != tt.want {
			t.Errorf("%q, %.40q: got %v", tt.prompt, tt.response, got)
		}
	}
}
