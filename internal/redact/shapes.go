package redact

import (
	"math"
	"strings"
)

// A set is which bytes a token consists of.
type set [256]bool

func setOf(chars string) *set {
	var s set
	for i := 0; i < len(chars); i++ {
		if i+2 < len(chars) && chars[i+1] == '-' {
			for c := int(chars[i]); c <= int(chars[i+2]); c++ {
				s[c] = true
			}
			i += 2
			continue
		}
		s[chars[i]] = true
	}
	return &s
}

var (
	hex      = setOf("0-9a-f")
	anyHex   = setOf("0-9a-fA-F")
	alnum    = setOf("0-9A-Za-z")
	upper    = setOf("0-9A-Z")
	lower    = setOf("0-9a-z")
	word     = setOf("0-9A-Za-z_")
	url64    = setOf("0-9A-Za-z_-")
	url64eq  = setOf("0-9A-Za-z_=-")
	dotted   = setOf("0-9A-Za-z_.=-")
	base64   = setOf("0-9A-Za-z+/=")
	tokenish = setOf("0-9A-Za-z+/=._~-")
	quoted   = setOf("0-9A-Za-z%+/=_-")
)

// A shape is a kind of token that begins with words of its own and goes on with
// so many bytes of a set, as far as they go.
type shape struct {
	rule     string
	prefixes string // separated by blanks
	set      *set
	min, max int // bytes after the prefix; a max of 0 is no bound
	also     func(rest string) bool
}

// shapes are those that their issuers document, or give in practice.
var shapes = []shape{
	{rule: "aws-access-key-id", prefixes: "AKIA ASIA ABIA ACCA", set: upper, min: 16, max: 16},
	{rule: "google-api-key", prefixes: "AIza", set: url64, min: 35, max: 35},
	{rule: "google-oauth-secret", prefixes: "GOCSPX-", set: url64, min: 20},
	{rule: "google-oauth-token", prefixes: "ya29. 1//0", set: tokenish, min: 20},
	{rule: "github-token", prefixes: "ghp_ gho_ ghu_ ghs_ ghr_", set: alnum, min: 36, max: 255},
	{rule: "github-token", prefixes: "github_pat_", set: word, min: 22, max: 255},
	{rule: "gitlab-token", prefixes: "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- gloas- glsoat- glffct- GR1348941", set: dotted, min: 20},
	{rule: "slack-token", prefixes: "xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxe- xoxe.xoxp- xoxe.xoxb- xapp- xwfp- xoxc- xoxd-", set: setOf("0-9A-Za-z%-"), min: 10, also: hasDigit},
	{rule: "stripe-key", prefixes: "sk_live_ sk_test_ rk_live_ rk_test_ sk_prod_", set: word, min: 10},
	{rule: "webhook-secret", prefixes: "whsec_", set: setOf("0-9A-Za-z+/=_-"), min: 20, also: hasDigit},
	{rule: "anthropic-key", prefixes: "sk-ant-", set: url64, min: 20},
	{rule: "openai-key", prefixes: "sk-proj- sk-svcacct- sk-admin- sk-None-", set: url64, min: 20},
	{rule: "openrouter-key", prefixes: "sk-or-v1-", set: hex, min: 32},
	{rule: "secret-key", prefixes: "sk-", set: url64, min: 20, also: func(s string) bool {
		return random(s) && !strings.HasPrefix(s, "ssh-") && !strings.HasPrefix(s, "ecdsa-")
	}},
	{rule: "huggingface-token", prefixes: "hf_ api_org_", set: alnum, min: 30, max: 64},
	{rule: "groq-key", prefixes: "gsk_", set: alnum, min: 40},
	{rule: "xai-key", prefixes: "xai-", set: alnum, min: 40},
	{rule: "perplexity-key", prefixes: "pplx-", set: alnum, min: 32},
	{rule: "replicate-token", prefixes: "r8_", set: alnum, min: 30},
	{rule: "langsmith-key", prefixes: "lsv2_pt_ lsv2_sk_", set: word, min: 30},
	{rule: "tavily-key", prefixes: "tvly-", set: url64, min: 20, also: hasDigit},
	{rule: "firecrawl-key", prefixes: "fc-", set: hex, min: 32, max: 32},
	{rule: "pinecone-key", prefixes: "pcsk_", set: word, min: 30},
	{rule: "nvidia-key", prefixes: "nvapi-", set: url64, min: 40, also: hasDigit},
	{rule: "posthog-key", prefixes: "phx_", set: alnum, min: 40},
	{rule: "vercel-token", prefixes: "vcp_ vci_ vca_ vcr_ vck_", set: alnum, min: 40, also: random},
	{rule: "cloudflare-key", prefixes: "cfut_ cfat_ cfk_", set: alnum, min: 40, also: random},
	{rule: "e2b-key", prefixes: "e2b_", set: hex, min: 40, max: 40},
	{rule: "jina-key", prefixes: "jina_", set: url64, min: 50, also: hasDigit},
	{rule: "together-key", prefixes: "tgp_v1_", set: url64, min: 40},
	{rule: "cerebras-key", prefixes: "csk-", set: alnum, min: 40, also: random},
	{rule: "runpod-key", prefixes: "rpa_", set: alnum, min: 40, also: random},
	{rule: "fireworks-key", prefixes: "fw_", set: alnum, min: 20, max: 30, also: random},
	{rule: "secret-key", prefixes: "sk_ cpk_", set: alnum, min: 32, also: random},
	{rule: "google-api-key", prefixes: "AQ.Ab", set: url64, min: 40},
	{rule: "docker-token", prefixes: "eyJhdXRocyI6", set: base64, min: 20}, // {"auths":
	{rule: privateKey, prefixes: "LS0tLS1CRUdJTiBQUklWQVRF LS0tLS1CRUdJTiBSU0EgUFJJVkFU LS0tLS1CRUdJTiBFQyBQUklWQVRF LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZB LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFU LS0tLS1CRUdJTiBQR1AgUFJJVkFU", set: base64, min: 20},
	{rule: "npm-token", prefixes: "npm_", set: alnum, min: 36, max: 36},
	{rule: "pypi-token", prefixes: "pypi-AgE", set: url64, min: 30},
	{rule: "rubygems-key", prefixes: "rubygems_", set: hex, min: 48, max: 48},
	{rule: "crates-token", prefixes: "cio", set: alnum, min: 32, max: 32, also: random},
	{rule: "nuget-key", prefixes: "oy2", set: lower, min: 43, max: 43},
	{rule: "clojars-token", prefixes: "CLOJARS_", set: alnum, min: 60},
	{rule: "docker-token", prefixes: "dckr_pat_ dckr_oat_", set: url64, min: 20},
	{rule: "jfrog-key", prefixes: "AKCp", set: alnum, min: 60},
	{rule: "twilio-key", prefixes: "SK", set: hex, min: 32, max: 32},
	{rule: "sendgrid-key", prefixes: "SG.", set: dotted, min: 60, max: 70},
	{rule: "mailgun-key", prefixes: "key-", set: hex, min: 32, max: 32},
	{rule: "brevo-key", prefixes: "xkeysib- xsmtpsib-", set: url64, min: 60},
	{rule: "resend-key", prefixes: "re_", set: word, min: 30, max: 40, also: random},
	{rule: "digitalocean-token", prefixes: "dop_v1_ doo_v1_ dor_v1_", set: hex, min: 64, max: 64},
	{rule: "heroku-key", prefixes: "HRKU-", set: url64, min: 36},
	{rule: "fly-token", prefixes: "fo1_ fm1_ fm1r_ fm2_", set: setOf("0-9A-Za-z+/=,_-"), min: 40},
	{rule: "netlify-token", prefixes: "nfp_ nfc_ nfo_ nfu_", set: alnum, min: 36},
	{rule: "render-key", prefixes: "rnd_", set: alnum, min: 28},
	{rule: "supabase-key", prefixes: "sbp_ sb_secret_", set: url64, min: 20, also: hasDigit},
	{rule: "planetscale-token", prefixes: "pscale_tkn_ pscale_pw_ pscale_oauth_", set: dotted, min: 30},
	{rule: "neon-key", prefixes: "napi_", set: lower, min: 40},
	{rule: "databricks-token", prefixes: "dapi", set: setOf("0-9a-f-"), min: 32, max: 34},
	{rule: "doppler-token", prefixes: "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.", set: dotted, min: 30},
	{rule: "vault-token", prefixes: "hvs. hvb. hvr.", set: url64, min: 24},
	{rule: "grafana-token", prefixes: "glsa_ glc_", set: setOf("0-9A-Za-z+/=_"), min: 32},
	{rule: "new-relic-key", prefixes: "NRAK- NRII- NRJS- NRAA-", set: url64, min: 19},
	{rule: "sentry-token", prefixes: "sntrys_ sntryu_ sntrya_", set: setOf("0-9A-Za-z+/=_"), min: 40},
	{rule: "linear-key", prefixes: "lin_api_ lin_oauth_", set: alnum, min: 40},
	{rule: "notion-token", prefixes: "ntn_", set: alnum, min: 40},
	{rule: "notion-token", prefixes: "secret_", set: alnum, min: 43, max: 43},
	{rule: "airtable-token", prefixes: "pat", set: setOf("0-9A-Za-z."), min: 79, max: 79, also: func(s string) bool { return s[14] == '.' }},
	{rule: "postman-key", prefixes: "PMAK-", set: setOf("0-9a-f-"), min: 50},
	{rule: "atlassian-token", prefixes: "ATATT3 ATCTT3 ATBB", set: url64eq, min: 28},
	{rule: "figma-token", prefixes: "figd_ figo_ figr_", set: url64, min: 30},
	{rule: "shopify-token", prefixes: "shpat_ shpca_ shppa_ shpss_ shptka_", set: setOf("0-9a-fA-F"), min: 32, max: 32},
	{rule: "square-token", prefixes: "sq0atp- sq0csp- EAAAE EAAAl", set: url64, min: 22, also: hasDigit},
	{rule: "facebook-token", prefixes: "EAAM EAAC EAAG", set: alnum, min: 80},
	{rule: "adafruit-key", prefixes: "aio_", set: alnum, min: 28, max: 28},
	{rule: "1password-token", prefixes: "ops_eyJ", set: base64, min: 100},
	{rule: "age-key", prefixes: "AGE-SECRET-KEY-1 AGE-PLUGIN-", set: upper, min: 50},
	{rule: "nostr-key", prefixes: "nsec1", set: lower, min: 58, max: 58},
	{rule: "tailscale-key", prefixes: "tskey-", set: url64, min: 16, also: hasDigit},
	{rule: "cloudflare-key", prefixes: "v1.0-", set: setOf("0-9a-f-"), min: 160, max: 180},
	{rule: "buildkite-token", prefixes: "bkua_ bkct_", set: alnum, min: 32},
	{rule: "circleci-token", prefixes: "CCIPAT_ CCIPRJ_", set: word, min: 40},
	{rule: "typeform-token", prefixes: "tfp_", set: dotted, min: 40},
	{rule: "contentful-token", prefixes: "CFPAT-", set: url64, min: 40},
	{rule: "dynatrace-token", prefixes: "dt0c01. dt0s16.", set: dotted, min: 60},
	{rule: "easypost-key", prefixes: "EZAK EZTK", set: alnum, min: 54, max: 54},
	{rule: "pulumi-token", prefixes: "pul-", set: hex, min: 40, max: 40},
	{rule: "prefect-key", prefixes: "pnu_ pnb_", set: alnum, min: 36, max: 36},
	{rule: "readme-key", prefixes: "rdme_", set: lower, min: 70, max: 70},
	{rule: "shippo-token", prefixes: "shippo_live_ shippo_test_", set: hex, min: 40, max: 40},
	{rule: "duffel-token", prefixes: "duffel_live_ duffel_test_", set: dotted, min: 43},
	{rule: "sourcegraph-token", prefixes: "sgp_ slk_", set: setOf("0-9a-z_"), min: 40, also: random},
	{rule: "octopus-key", prefixes: "API-", set: upper, min: 25, max: 32},
	{rule: "alibaba-key", prefixes: "LTAI", set: alnum, min: 16, max: 24},
	{rule: "tencent-key", prefixes: "AKID", set: alnum, min: 32, max: 32},
	{rule: "yandex-key", prefixes: "AQVN t1.", set: dotted, min: 35, also: random},
	{rule: "plaid-token", prefixes: "access-sandbox- access-development- access-production-", set: setOf("0-9a-f-"), min: 36, max: 36},
	{rule: "mapbox-token", prefixes: "sk.eyJ", set: dotted, min: 60},
	{rule: "infracost-key", prefixes: "ico-", set: alnum, min: 32, max: 32},
	{rule: "defined-key", prefixes: "dnkey-", set: setOf("0-9a-z_=-"), min: 40},
	{rule: "docusign-token", prefixes: "eyJ0eXAiOiJNVCIs", set: dotted, min: 60},
	{rule: "jwt", prefixes: "eyJ", set: dotted, min: 30, also: threeParts},
	{rule: "webhook-url", prefixes: "hooks.slack.com/services/ hooks.slack.com/workflows/ hooks.slack.com/triggers/ discord.com/api/webhooks/ discordapp.com/api/webhooks/ webhook.office.com/webhookb2/ outlook.office.com/webhook/ hooks.zapier.com/hooks/catch/", set: setOf("0-9A-Za-z/_.@%-"), min: 10, also: hasDigit},
	{rule: "signature", prefixes: "X-Amz-Signature= X-Goog-Signature= x-amz-signature=", set: hex, min: 40},
	{rule: "signature", prefixes: "sig=", set: quoted, min: 40, also: random},
	{rule: "bearer-token", prefixes: "Bearer bearer BEARER", set: tokenish, min: 16, also: hasDigit},
}

// maxRetry bounds the runs that are searched once more, so that the time stays in
// proportion to the text.
const maxRetry = 200

// findShapes adds the tokens that have a shape of their own.
func findShapes(s string, spans []span) []span {
	for i := range shapes {
		sh := &shapes[i]
		for prefix := range strings.SplitSeq(sh.prefixes, " ") {
			spans = sh.find(s, prefix, spans)
		}
	}
	return spans
}

func (sh *shape) find(s, prefix string, spans []span) []span {
	for at := 0; ; {
		i := strings.Index(s[at:], prefix)
		if i < 0 {
			return spans
		}
		start := at + i
		body := start + len(prefix)
		if !begins(s, start) {
			at = start + 1
			continue
		}
		if sh.rule == "bearer-token" { // a blank or more stands between
			for body < len(s) && (s[body] == ' ' || s[body] == '\t') {
				body++
			}
			if body == start+len(prefix) {
				at = body
				continue
			}
		}
		end := body + run(s[body:], sh.set)
		at = end
		for end > body && s[end-1] == '.' { // the sentence's
			end--
		}
		n := end - body
		if n < sh.min || sh.max > 0 && n > sh.max || sh.also != nil && !sh.also(s[body:end]) {
			if n < maxRetry { // the prefix may stand once more within the run
				at = start + len(prefix)
			}
			continue
		}
		switch sh.rule {
		case "bearer-token", "webhook-url", "signature":
			start = body // what comes before says what it was
		case "aws-access-key-id":
			spans = secretBeside(s, end, spans)
		}
		spans = append(spans, span{start, end, sh.rule})
	}
}

// run is how many bytes of the set s begins with.
func run(s string, in *set) int {
	n := 0
	for n < len(s) && in[s[n]] {
		n++
	}
	return n
}

// runBack is how many bytes of the set s ends with.
func runBack(s string, in *set) int {
	n := 0
	for n < len(s) && in[s[len(s)-1-n]] {
		n++
	}
	return n
}

// begins reports whether a token can begin at i: no letter or digit stands
// before it, unless it is that of an escape such as \n, \u0026 or %20.
func begins(s string, i int) bool {
	if i == 0 || !word[s[i-1]] || !word[s[i]] {
		return true
	}
	if i > 1 && s[i-2] == '\\' && strings.IndexByte("nrt", s[i-1]) >= 0 {
		return true
	}
	hexes := func(n int) bool { return run(s[i-n:i], anyHex) == n }
	return i > 2 && s[i-3] == '%' && hexes(2) || i > 5 && s[i-6:i-4] == `\u` && hexes(4)
}

// secretBeside adds an AWS secret key that is given together with the ID that
// ends at i.
func secretBeside(s string, i int, spans []span) []span {
	end := min(len(s), i+200)
	for at := i; at < end; {
		n := run(s[at:end], base64)
		if n == 40 && random(s[at:at+n]) && (at+n == len(s) || !base64[s[at+n]]) {
			return append(spans, span{at, at + n, "aws-secret-key"})
		}
		at += n + 1
	}
	return spans
}

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }

func hasLetter(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c >= 'a' && c <= 'z' {
			return true
		}
	}
	return false
}

// random reports whether s looks drawn rather than written: letters and digits,
// and no few characters that come again and again.
func random(s string) bool { return hasDigit(s) && hasLetter(s) && entropy(s) >= 3 }

// threeParts reports whether s, which follows the first letters of a JWT, goes on
// like one.
func threeParts(s string) bool {
	head, rest, ok := strings.Cut(s, ".")
	if !ok || len(head) < 8 {
		return false
	}
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok {
		return false
	}
	if payload == "" { // encrypted, without a key of its own
		return strings.Count(signature, ".") == 2 && len(signature) >= 40
	}
	return len(payload) >= 8 && len(signature) >= 8
}

// entropy is Shannon's, in bits for each byte.
func entropy(s string) float64 {
	if s == "" {
		return 0
	}
	var count [256]int
	for i := range len(s) {
		count[s[i]]++
	}
	var sum float64
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(s))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}
