package atocore_test

import (
	"math"
	"strings"
	"testing"

	"github.com/atocore/atocore"
)

// Texts with their real lengths in tokens, as counted by implementations of the
// two vocabularies.
var tokenSamples = []struct {
	name   string
	cl100k int
	o200k  int
	text   string
}{
	{"English", 45, 45,
		"The backup runs every night at two and keeps the last thirty copies. If one of them cannot be restored, the person on call is told before breakfast, which is why nobody has had to ask for it since the spring."},
	{"English, short", 5, 5,
		"Answers in British English."},
	{"English, names", 19, 18,
		"Marguerite Oyelaran moved to Rotterdam in October with her two greyhounds."},
	{"Markdown", 69, 69,
		"## Restoring a copy\n\n1. Stop the service: `systemctl stop ledger`.\n2. Run the **restore**, see [the manual](docs/restore.md#steps).\n\n| step | takes | who |\n|------|-------|-----|\n| copy | 4 min | ops |\n| check | 12 min | ops |\n"},
	{"Go", 54, 54,
		"func (s *Store) Close() error {\n\tif !s.closed.CompareAndSwap(false, true) {\n\t\treturn nil\n\t}\n\tdefer s.log.Info(\"closed\", \"dir\", s.dir)\n\treturn errors.Join(s.readers.Close(), s.writer.Close())\n}\n"},
	{"JSON", 52, 53,
		"{\"id\":\"a17\",\"tags\":[\"urgent\",\"billing\"],\"amount\":1299.50,\"paid\":false,\"lines\":[{\"sku\":\"XK-204\",\"qty\":3},{\"sku\":\"BQ-9\",\"qty\":1}],\"note\":null}"},
	{"log", 60, 60,
		"2026-03-14T07:55:01.204913Z WARN worker-12 req=7f3c9a1e took=1843ms status=503 peer=10.24.7.191:50412 path=/v2/orders/88213/items\n"},
	{"identifiers", 82, 82,
		"3f2b8c1d-94ae-4b07-a6d1-0e5c77f2b913 sha256:9c1f0ab7d3e84652f0c7b1a95d3e6482 01jq8z5v7m3k9x2c4b6n8p0r1s"},
	{"base64", 81, 80,
		"eyJrIjoiVjR6cVh1N0xwIiwicyI6WzgsMTUsMjNdfQ==kQ7wZpR2mXvB9sLfT4hYcJ0aNgEuD6iK1oVx8WbSyMtPqC3rHzUjG5"},
	{"numbers", 46, 46,
		"1048576, 3.14159265, 2026-11-30, 00:45:09, 4411 8820 9937, 1e-9, 99.95"},
	{"German", 43, 36,
		"Die Sicherung läuft jede Nacht um zwei Uhr. Schlägt die Wiederherstellungsprüfung fehl, wird der Bereitschaftsdienst noch vor Arbeitsbeginn benachrichtigt."},
	{"French", 48, 35,
		"La sauvegarde tourne chaque nuit à deux heures ; si l'une d'elles échoue, l'équipe d'astreinte en est prévenue avant l'arrivée des premiers employés."},
	{"Finnish", 52, 39,
		"Varmuuskopiointi käynnistyy joka yö kello kaksi. Jos palautus epäonnistuu, päivystäjälle ilmoitetaan ennen työpäivän alkua."},
	{"Vietnamese", 59, 33,
		"Bản sao lưu được tạo mỗi đêm lúc hai giờ. Nếu không khôi phục được thì người trực sẽ được báo trước khi bắt đầu ngày làm việc."},
	{"Hungarian", 49, 41,
		"A mentés minden éjjel kettőkor fut le. Ha a visszaállítás nem sikerül, az ügyeletes még a munkakezdés előtt értesítést kap."},
	{"Russian", 54, 32,
		"Резервная копия создаётся каждую ночь в два часа. Если восстановление не удалось, дежурного предупреждают до начала рабочего дня."},
	{"Greek", 100, 36,
		"Το αντίγραφο ασφαλείας δημιουργείται κάθε νύχτα στις δύο. Αν αποτύχει η επαναφορά, ειδοποιείται ο υπεύθυνος."},
	{"Hebrew", 84, 34,
		"הגיבוי רץ בכל לילה בשעה שתיים. אם השחזור נכשל, התורן מקבל הודעה לפני תחילת יום העבודה."},
	{"Arabic", 76, 29,
		"يعمل النسخ الاحتياطي كل ليلة عند الساعة الثانية، وإذا فشلت الاستعادة يتم إبلاغ المناوب قبل بداية يوم العمل."},
	{"Hindi", 122, 37,
		"बैकअप हर रात दो बजे चलता है। यदि पुनर्स्थापना विफल हो जाए तो काम शुरू होने से पहले ड्यूटी वाले व्यक्ति को बताया जाता है।"},
	{"Thai", 88, 34,
		"ระบบสำรองข้อมูลทุกคืนตอนตีสอง หากกู้คืนไม่สำเร็จ ผู้ที่อยู่เวรจะได้รับแจ้งก่อนเริ่มงานในตอนเช้า"},
	{"Chinese", 51, 33,
		"备份每天凌晨两点运行，保留最近三十份。如果其中任何一份无法恢复，值班人员会在上班之前收到通知。"},
	{"Japanese", 60, 47,
		"バックアップは毎晩二時に実行され、直近の三十件が保存されます。復元に失敗した場合は、始業前に当番の担当者へ通知されます。"},
	{"Korean", 61, 37,
		"백업은 매일 새벽 두 시에 실행되며 최근 서른 개를 보관합니다. 복원에 실패하면 업무 시작 전에 당직자에게 알립니다."},
	{"Amharic", 69, 51,
		"ምትኬው በየሌሊቱ ከሁለት ሰዓት ላይ ይሠራል።"},
	{"emoji", 59, 42,
		"Ship it 🚀🚀 — looks great 🥹👍🏽, family plan 👨\u200d👩\u200d👧\u200d👦 for 🇩🇪🇯🇵 ✅⚠️"},
	{"white space", 18, 18,
		"a:\n        b\n\t\t\tc\r\n\r\n\r\n   d      e\n \n \n\t \tf                                        g"},
	{"rules", 11, 11,
		"------------------------------------------------------------\n=================================\n*** !!! ??? /// ---->>>\n"},
}

func TestEstimateTokensIsNotBelowTheRealCount(t *testing.T) {
	var ratios, over float64
	for _, s := range tokenSamples {
		got, least := atocore.EstimateTokens(s.text), max(s.cl100k, s.o200k)
		if got < least {
			t.Errorf("%s: estimated at %d tokens, has %d", s.name, got, least)
		}
		if most := 5*least/2 + 2; got > most {
			t.Errorf("%s: estimated at %d tokens, has %d: more than %d is waste", s.name, got, least, most)
		}
		ratios += math.Log(float64(got) / float64(least))
		over++
	}
	if mean := math.Exp(ratios / over); mean > 1.5 {
		t.Errorf("estimates are %.2f times the real counts on average, want 1.5 at most", mean)
	}
}

func TestEstimateTokensOfParts(t *testing.T) {
	if got := atocore.EstimateTokens(""); got != 0 {
		t.Errorf("no text has %d tokens", got)
	}
	// Whole lines cost what they cost apart: a pack that is put together from
	// parts that fit does fit.
	var all strings.Builder
	sum := 0
	for _, s := range tokenSamples {
		line := strings.ReplaceAll(s.text, "\n", " ") + "\n"
		all.WriteString(line)
		sum += atocore.EstimateTokens(line)
	}
	if got := atocore.EstimateTokens(all.String()); got > sum {
		t.Errorf("all samples have %d tokens, more than their sum, %d", got, sum)
	}
	for _, odd := range []string{"\xff\xfe\x00", "\u0000", strings.Repeat("a", 1<<20), strings.Repeat("\n", 1<<20), strings.Repeat("\U0010ffff", 1000)} {
		if got := atocore.EstimateTokens(odd); got < 1 || got > 4*len(odd) {
			t.Errorf("EstimateTokens(%.10q…) = %d", odd, got)
		}
	}
}
