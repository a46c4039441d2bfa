package redact_test

import (
	"encoding/base64"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/atocore/atocore/internal/redact"
)

// Tokens are put together here, so that nothing that looks like a secret stands in
// this file.
const (
	digits = "0123456789"
	hexes  = "0123456789abcdef"
	lowers = "abcdefghijklmnopqrstuvwxyz"
	uppers = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alnum  = digits + lowers + uppers
	url64  = alnum + "-_"
	std64  = alnum + "+/"
)

var source = rand.New(rand.NewPCG(1, 2))

// drawn is n characters of an alphabet, some digit and some letter among them
// where it has both.
func drawn(n int, from string) string {
	for {
		b := make([]byte, n)
		for i := range b {
			b[i] = from[source.IntN(len(from))]
		}
		s := string(b)
		if n < 8 || from == digits || !strings.Contains(from, digits) || strings.ContainsAny(s[1:n-1], digits) && strings.ContainsAny(s, strings.Trim(from, digits)) {
			if c := s[n-1]; c != '-' && c != '_' && c != '/' && c != '+' && c != '.' {
				return s
			}
		}
	}
}

// secrets gives, by rule, texts that hold a secret between « and ».
func secrets() map[string][]string {
	b64 := base64.StdEncoding.EncodeToString
	jwt := "eyJ" + drawn(33, url64) + ".eyJ" + drawn(60, url64) + "." + drawn(43, url64)
	pem := "-----BEGIN %sPRIVATE KEY-----\n" + drawn(64, std64) + "\n" + drawn(64, std64) + "\n" + drawn(22, std64) + "==\n-----END %sPRIVATE KEY-----"
	key := func(kind string) string { return strings.ReplaceAll(pem, "%s", kind) }
	t := func(prefix string, n int, from string) string {
		return "use «" + prefix + drawn(n, from) + "» for it."
	}
	return map[string][]string{
		"aws-access-key-id":   {t("AK"+"IA", 16, uppers+"234567"), t("AS"+"IA", 16, uppers+"234567")},
		"aws-secret-key":      {"AK" + "IA" + drawn(16, uppers) + " / «" + drawn(40, alnum) + "»", "id AK" + "IA" + drawn(16, uppers) + "\nsecret «" + drawn(40, std64[:62]) + "»\n"},
		"google-api-key":      {t("AI"+"za", 35, url64)},
		"google-oauth-secret": {t("GOC"+"SPX-", 28, url64)},
		"google-oauth-token":  {t("ya"+"29.", 60, url64)},
		"github-token": {t("gh"+"p_", 36, alnum), t("gh"+"o_", 36, alnum), t("gh"+"s_", 36, alnum), t("github"+"_pat_", 82, alnum+"_"),
			`{"a":"x\n«gh` + `p_` + drawn(36, alnum) + `»\ny"}`},
		"gitlab-token":       {t("gl"+"pat-", 20, url64), t("gl"+"rt-", 20, url64)},
		"slack-token":        {t("xo"+"xb-", 40, digits+"-"+alnum), t("xa"+"pp-1-", 50, alnum+"-")},
		"stripe-key":         {t("sk"+"_live_", 24, alnum), t("rk"+"_test_", 24, alnum)},
		"webhook-secret":     {t("wh"+"sec_", 32, alnum)},
		"anthropic-key":      {t("sk-"+"ant-api03-", 93, url64)},
		"openai-key":         {t("sk-"+"proj-", 120, url64)},
		"openrouter-key":     {t("sk-"+"or-v1-", 64, hexes)},
		"secret-key":         {t("sk-", 48, alnum), t("sk"+"_", 48, hexes)},
		"huggingface-token":  {t("hf"+"_", 34, alnum)},
		"groq-key":           {t("gs"+"k_", 52, alnum)},
		"xai-key":            {t("xa"+"i-", 80, alnum)},
		"perplexity-key":     {t("pp"+"lx-", 48, alnum)},
		"replicate-token":    {t("r8"+"_", 37, alnum)},
		"langsmith-key":      {t("lsv2"+"_pt_", 40, hexes+"_")},
		"tavily-key":         {t("tv"+"ly-", 32, alnum)},
		"firecrawl-key":      {t("fc"+"-", 32, hexes)},
		"pinecone-key":       {t("pc"+"sk_", 60, alnum)},
		"nvidia-key":         {t("nv"+"api-", 64, url64)},
		"posthog-key":        {t("ph"+"x_", 43, alnum)},
		"vercel-token":       {t("vc"+"p_", 56, alnum)},
		"e2b-key":            {t("e2"+"b_", 40, hexes)},
		"jina-key":           {t("ji"+"na_", 60, alnum)},
		"together-key":       {t("tg"+"p_v1_", 43, url64)},
		"cerebras-key":       {t("cs"+"k-", 48, alnum)},
		"runpod-key":         {t("rp"+"a_", 44, uppers+digits)},
		"fireworks-key":      {t("fw"+"_", 22, alnum)},
		"discord-token":      {"the bot «M" + drawn(25, alnum) + "." + drawn(6, alnum) + "." + drawn(38, alnum) + "»"},
		"npm-token":          {t("np"+"m_", 36, alnum)},
		"pypi-token":         {t("py"+"pi-AgEIcHlwaS5vcmc", 120, url64)},
		"rubygems-key":       {t("ruby"+"gems_", 48, hexes)},
		"crates-token":       {t("ci"+"o", 32, alnum)},
		"nuget-key":          {t("oy"+"2", 43, lowers+digits)},
		"clojars-token":      {t("CLO"+"JARS_", 60, alnum)},
		"docker-token":       {t("dckr"+"_pat_", 27, url64), t("eyJh"+"dXRocyI6", 120, std64)},
		"jfrog-key":          {t("AK"+"Cp", 69, alnum)},
		"twilio-key":         {t("S"+"K", 32, hexes)},
		"sendgrid-key":       {"«S" + "G." + drawn(22, url64) + "." + drawn(43, url64) + "»"},
		"mailgun-key":        {t("ke"+"y-", 32, hexes)},
		"mailchimp-key":      {"«" + drawn(32, hexes) + "-us" + "12»"},
		"brevo-key":          {t("xkey"+"sib-", 81, hexes+"-")},
		"resend-key":         {"«re" + "_" + drawn(8, alnum) + "_" + drawn(24, alnum) + "»"},
		"digitalocean-token": {t("dop"+"_v1_", 64, hexes)},
		"heroku-key":         {t("HR"+"KU-", 60, url64)},
		"fly-token":          {t("fm"+"2_", 100, std64)},
		"netlify-token":      {t("nf"+"p_", 36, alnum)},
		"render-key":         {t("rn"+"d_", 28, alnum)},
		"supabase-key":       {t("sb"+"p_", 40, hexes)},
		"planetscale-token":  {t("pscale"+"_tkn_", 43, url64)},
		"neon-key":           {t("na"+"pi_", 64, lowers+digits)},
		"databricks-token":   {t("da"+"pi", 32, hexes)},
		"doppler-token":      {t("dp"+".pt.", 43, alnum)},
		"vault-token":        {t("hv"+"s.", 90, url64)},
		"grafana-token":      {t("gl"+"sa_", 41, alnum+"_")},
		"new-relic-key":      {t("NR"+"AK-", 27, uppers+digits)},
		"sentry-token":       {t("sn"+"tryu_", 64, hexes)},
		"linear-key":         {t("lin"+"_api_", 40, alnum)},
		"notion-token":       {t("nt"+"n_", 46, alnum), t("sec"+"ret_", 43, alnum)},
		"airtable-token":     {"«pa" + "t" + drawn(14, alnum) + "." + drawn(64, hexes) + "»"},
		"postman-key":        {"«PM" + "AK-" + drawn(24, hexes) + "-" + drawn(34, hexes) + "»"},
		"atlassian-token":    {t("AT"+"ATT3", 180, url64)},
		"figma-token":        {t("fi"+"gd_", 40, url64)},
		"shopify-token":      {t("sh"+"pat_", 32, hexes)},
		"square-token":       {t("sq0"+"atp-", 22, url64)},
		"facebook-token":     {t("EA"+"AC", 120, alnum)},
		"adafruit-key":       {t("ai"+"o_", 28, alnum)},
		"1password-token":    {t("op"+"s_eyJ", 250, std64)},
		"age-key":            {t("AGE-"+"SECRET-KEY-1", 58, uppers+digits)},
		"nostr-key":          {t("ns"+"ec1", 58, lowers+digits)},
		"tailscale-key":      {t("ts"+"key-auth-", 30, alnum)},
		"cloudflare-key":     {"«v1" + ".0-" + drawn(24, hexes) + "-" + drawn(146, hexes) + "»"},
		"buildkite-token":    {t("bk"+"ua_", 40, hexes)},
		"circleci-token":     {t("CCI"+"PAT_", 64, alnum)},
		"typeform-token":     {t("tf"+"p_", 59, alnum)},
		"contentful-token":   {t("CF"+"PAT-", 43, url64)},
		"dynatrace-token":    {"«dt0" + "c01." + drawn(24, alnum) + "." + drawn(64, alnum) + "»"},
		"easypost-key":       {t("EZ"+"AK", 54, alnum)},
		"pulumi-token":       {t("pu"+"l-", 40, hexes)},
		"prefect-key":        {t("pn"+"u_", 36, alnum)},
		"readme-key":         {t("rd"+"me_", 70, lowers+digits)},
		"shippo-token":       {t("shippo"+"_live_", 40, hexes)},
		"duffel-token":       {t("duffel"+"_live_", 43, url64)},
		"sourcegraph-token":  {t("sg"+"p_", 40, hexes)},
		"octopus-key":        {t("AP"+"I-", 26, uppers+digits)},
		"alibaba-key":        {t("LT"+"AI", 20, alnum)},
		"tencent-key":        {t("AK"+"ID", 32, alnum)},
		"yandex-key":         {t("AQ"+"VN", 36, alnum)},
		"plaid-token":        {"«access" + "-production-" + drawn(8, hexes) + "-" + drawn(4, hexes) + "-" + drawn(4, hexes) + "-" + drawn(4, hexes) + "-" + drawn(12, hexes) + "»"},
		"mapbox-token":       {t("sk"+".eyJ", 80, url64)},
		"infracost-key":      {t("ic"+"o-", 32, alnum)},
		"defined-key":        {t("dn"+"key-", 60, lowers+digits)},
		"docusign-token":     {t("eyJ0"+"eXAiOiJNVCIs", 100, url64)},
		"jwt":                {"token «" + jwt + "»", "Cookie: session=«" + jwt + "»; path=/", "«eyJhbGciOiJkaXIi" + drawn(20, url64) + ".." + drawn(16, url64) + "." + drawn(60, url64) + "." + drawn(22, url64) + "»"},
		"azure-secret":       {"the secret «" + drawn(3, alnum) + "8Q" + "~" + drawn(34, alnum) + "»"},
		"telegram-token":     {"bot «" + drawn(10, digits) + ":A" + "A" + drawn(33, url64) + "»"},
		"terraform-token":    {"«" + drawn(14, alnum) + ".atl" + "asv1." + drawn(67, alnum) + "»"},
		"private-key": {
			"my key:\n«" + key("") + "»\nthere", "«" + key("RSA ") + "»", "«" + key("EC ") + "»", "«" + key("OPENSSH ") + "»", "«" + strings.ReplaceAll(key("PGP "), "KEY-", "KEY BLOCK-") + "»",
			`{"private_key":"«` + strings.ReplaceAll(key(""), "\n", `\n`) + `»\n"}`,
			"> «" + strings.ReplaceAll(key("EC "), "\n", "\n> ") + "»\n> and text",
			"cut off:\n«-----BEGIN PRIVATE KEY-----\n" + drawn(64, std64) + "\n" + drawn(64, std64) + "»\n\nAnd what comes after stays.",
			"client-key-data: «" + b64([]byte(key("RSA "))) + "»\n",
			"PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 2\n«" + drawn(64, std64) + "\n" + drawn(60, std64) + "»\nPrivate-MAC: none",
		},
		"webhook-url": {"https://hooks.slack.com/services/«T" + drawn(8, uppers+digits) + "/B" + drawn(8, uppers+digits) + "/" + drawn(24, alnum) + "»",
			"https://discord.com/api/webhooks/«" + drawn(18, digits) + "/" + drawn(68, url64) + "»"},
		"signature":    {"https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature=«" + drawn(64, hexes) + "»", "https://a.blob.core.windows.net/c?sv=2022&sig=«" + drawn(43, alnum) + "%3D»", `{"a":"https://a/c?sv=1\u0026sig=«` + drawn(43, alnum) + `%3D»"}`},
		"bearer-token": {"curl -H 'X-A: Bearer «" + drawn(40, alnum) + "»'", "the Bearer  «" + drawn(22, hexes) + "» one"},
		"url-password": {"postgres://app:«hunter2»@db.internal:5432/app", "redis://:«p4ssw0rd»@localhost:6379/0", "https://ada:«" + drawn(20, alnum) + "»@example.org/x",
			"mongodb+srv://u:«a/bc»@cluster0.example.net/?retryWrites=true", `DATABASE_URL="mysql://root:«s3cret»@127.0.0.1/x"`, "amqp://guest:«gast»@mq"},
		"url-token": {"git clone https://«" + drawn(40, hexes) + "»@example.org/acme/tool.git"},
		"password": {"password: «hunter2»", `password = "«correcthorsebattery»"`, "DB_PASSWORD=«S3cr3t;with,signs»\nNEXT=1", `{"user":"ada","password":"«p@ssw0rd»"}`, "The admin password is «tr0ub4dor&3».",
			"--password «hunter22» --verbose", "mysql_pwd: '«xK9!aa»'", "passphrase=«blue42fish», then", "machine api.example.org login ada password «s3same99»", "curl -u ada:«s3cret!» https://example.org",
			"curl --user 'ada:«xy12»' https://x", `{\"password\":\"«hunter2»\"}`, "**Password:** «hunter2»", "passwort: «geheim99»",
			"<password>«Wint3r2024»</password>", "Server=db;Uid=sa;Pwd=«Wint3r2024»;Encrypt=true", "pw: «Wint3r2024»", "wpa_psk=\"«Wint3r2024»\"", "use the password «Wint3r2024» for it", "the password `«hunter2»`.",
			"sshpass -p «s3cretpw9» ssh db", "mysql -u root -p«s3cretpw9» shop", `{\\\"password\\\":\\\"«hunter2»\\\"}`, "- name: DB_PASSWORD\n  value: «hunter2»\n"},
		"secret": {"api_key = \"«" + drawn(32, alnum) + "»\"", "AWS_SECRET_ACCESS_KEY=«" + drawn(40, std64) + "»", "export CLIENT_SECRET=«" + drawn(24, alnum) + "»", "apiKey: '«" + drawn(39, alnum) + "»',",
			"x-api-key: «" + drawn(32, hexes) + "»", "https://example.org/cb?access_token=«" + drawn(30, alnum) + "»&state=1", "DefaultEndpointsProtocol=https;AccountKey=«" + b64([]byte(drawn(64, alnum))) + "»;EndpointSuffix=x",
			`{"refresh_token": "«` + drawn(50, url64) + `»", "expires_in": 3600}`, "Authorization: Basic «" + b64([]byte("ada:lovelace1815")) + "»", "authorization: token «" + drawn(40, hexes) + "»",
			"--api-key=«" + drawn(32, alnum) + "» run", "//registry.npmjs.org/:_authToken=«" + drawn(36, alnum) + "»", "PrivateKey = «" + drawn(43, alnum) + "=»", "config['secret_key'] = '«" + drawn(50, alnum) + "»'",
			"the token is «" + drawn(32, alnum) + "», keep it", "ENCRYPTION_KEY=«" + drawn(64, hexes) + "»",
			"API key: «" + drawn(32, hexes) + "»", "my API key is «" + drawn(32, hexes) + "»", "**API key:** `«" + drawn(32, alnum) + "»`", "| API key | «" + drawn(32, alnum) + "» |", "the access key «" + drawn(32, hexes) + "»",
			"setx API_KEY «" + drawn(32, alnum) + "»", "gh secret set API_TOKEN --body «" + drawn(32, alnum) + "»", "const apiKey: string = '«" + drawn(32, alnum) + "»'", "var token string = \"«" + drawn(32, alnum) + "»\"",
			"<add key=\"ApiKey\" value=\"«" + drawn(32, alnum) + "»\" />", `{"name": "API_KEY", "value": "«` + drawn(32, alnum) + `»"}`, "https://example.org/v1?key=«" + drawn(32, alnum) + "»&x=1",
			"-H 'Cookie: theme=dark; sid=«" + drawn(40, alnum) + "»'", `{"a":"user: ada\npass: «` + drawn(12, alnum) + `7x»"}`, "JSESSIONID=«" + drawn(32, uppers+digits) + "»"},
	}
}

func TestSecretsGo(t *testing.T) {
	all := secrets()
	for _, rule := range redact.Rules() {
		if len(all[rule]) == 0 {
			t.Errorf("rule %s has no example", rule)
		}
		delete(all, rule)
	}
	for rule := range all {
		t.Errorf("examples of a rule that is not there: %s", rule)
	}
	for rule, examples := range secrets() {
		for _, e := range examples {
			before, rest, _ := strings.Cut(e, "«")
			secret, after, _ := strings.Cut(rest, "»")
			got := redact.Text(before + secret + after)
			mark := "[redacted:" + rule + "]"
			if strings.Contains(got, secret) || !strings.Contains(got, mark) {
				t.Errorf("%s: %q became %q", rule, before+secret+after, got)
				continue
			}
			if !strings.HasSuffix(got, mark+after) {
				t.Errorf("%s: what comes after the secret: %q became %q", rule, before+secret+after, got)
			}
			if rule != "aws-secret-key" && got != before+mark+after {
				t.Errorf("%s: %q became %q", rule, before+secret+after, got)
			}
			if again := redact.Text(got); again != got {
				t.Errorf("%s: %q, and then %q", rule, got, again)
			}
		}
	}
}

// What looks like a secret and is none stays, to the byte.
func TestOthersStay(t *testing.T) {
	image := base64.StdEncoding.EncodeToString([]byte(drawn(60_000, alnum)))
	for _, text := range []string{
		"commit " + drawn(40, hexes), "see " + drawn(7, hexes) + ".." + drawn(7, hexes), "sha256:" + drawn(64, hexes),
		"id: " + "550e8400-e29b-41d4-a716-446655440000", "session 01jqv3k8w2x4n6p8r0t2v4y6z8",
		`"integrity": "sha512-` + drawn(86, std64) + `=="`, "golang.org/x/sys v0.49.0 h1:" + drawn(43, std64) + "=",
		"![x](data:image/png;base64," + image + ")", "digest: " + drawn(64, hexes), "ETag: \"" + drawn(32, hexes) + "\"",
		"password: string", "password = os.Getenv(\"DB_PASSWORD\")", "password: ${DB_PASSWORD}", "password={{ vault.password }}", "password: <your password>", "Password: ********",
		"token := parser.next()", "const token = req.headers.token", "token = settings.api.token1", "max_tokens: 4096", "tokens=128000", "tokenizer: bert-base-uncased-2023",
		"the token is a string that the parser reads", "the password is required", "The secret is to keep it simple.", "Is the api key set?", "api_key: process.env.OPENAI_API_KEY",
		"key: value", "primary_key=id", "cache_key = user_42_profile_v2", "public_key: " + drawn(44, alnum), "csrf_token=" + drawn(32, alnum),
		"https://example.org:8443/path@2.0/x", "https://example.org/a:b@c", "ssh://git@github.com/acme/tool.git", "git@github.com:acme/tool.git", "http://localhost:8080/?next=a@b", "mailto:ada@example.org",
		"postgres://app:${PASSWORD}@db/app", "postgres://user:<password>@db/app", "sk-learn is a package", "scikit: sk-something-with-words-in-it-only", "risk-free", "task-force-alpha-2024-report",
		"PWD=/home/ada/work2", "the bearer of this letter", "Bearer authentication is used", "Authorization: Bearer $TOKEN", "AKIA is a prefix", "eyJ begins a JWT",
		"-----BEGIN CERTIFICATE-----\n" + drawn(64, std64) + "\n-----END CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----\n" + drawn(64, std64) + "\n-----END PUBLIC KEY-----",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + drawn(43, alnum) + " ada@host", "if token == \"\" {", "token_url: https://example.org/oauth2/v2/token", "secret_name: prod-db-2", "password_length=16",
		"PrivateKey: testRSA2048PrivateKey,", "private key is *ed25519.PrivateKey", "TokenTypeSAML2 = \"urn:ietf:params:oauth:token-type:saml2\"", "Credentials.Issuer = \"https://other-issuer2.example.com\"",
		"Env = append(Env, \"PWD=\"+dir)", "sk-ssh-ed25519-cert-v01@openssh.com", "a password Argon2 hashes", "the password hash", "use password sha256sum", "the token 550e8400-e29b-41d4-a716-446655440000",
		"the secret projects-123-locations-europe-west1", "js-tokens 4.0.0", "github.com/golang-jwt/jwt v3.2.2+incompatible h1:" + drawn(43, std64) + "=", "the primary key: " + drawn(32, hexes), "Cookie: theme=dark; lang=en-GB",
		`{"name": "version", "value": "2024.1.15-rc3"}`, "<token>identifier</token>", "if a.key > 1000000000 {", "mkdir -p build2024x", "commit " + drawn(40, hexes) + " is signed",
		"We decided to keep the password policy at 12 characters.", "Der Schlüssel ist unter der Matte.", "パスワード: 秘密", "re_export_something_from_module_x", "key-value store", "npm_config_registry=https://x",
	} {
		if got := redact.Text(text); got != text {
			t.Errorf("%.200q became %.200q", text, got)
		}
	}
}

func TestValue(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"api_key", drawn(32, alnum), "[redacted:secret]"},
		{"password", "hunter2", "[redacted:password]"},
		{"model", drawn(32, alnum), ""},
		{"commit", drawn(40, hexes), ""},
		{"note", "password: hunter2", "note password: [redacted:password]"[5:]},
		{"token", "[redacted:secret]", ""},
		{"token", "", ""},
	} {
		want := tt.want
		if want == "" {
			want = tt.value
		}
		if got := redact.Value(tt.name, tt.value); got != want {
			t.Errorf("%s=%s: got %q, want %q", tt.name, tt.value, got, want)
		}
	}
}

// Two secrets in one text go both, and what is between stays.
func TestSeveral(t *testing.T) {
	a, b := "gh"+"p_"+drawn(36, alnum), "xo"+"xb-"+drawn(30, digits)
	got := redact.Text("first " + a + " and " + b + "\npassword=hunter22\n" + a)
	want := "first [redacted:github-token] and [redacted:slack-token]\npassword=[redacted:password]\n[redacted:github-token]"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Texts that are made to be slow to read are read all the same.
func TestHostile(t *testing.T) {
	for _, part := range []string{
		"token=", "password: ", "sk-", "-sk-", "eyJ.", "a://", "a://b:c", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", ":AA", "Bearer ", "token is ", " -u a:b", "curl -u ", "--token ", "=", "[redacted:",
		"password=\"", "Private-Lines: 9\n", "AKIA", "AKIA2222222222222222 ", "Q~", "-us1",
		"<password>", "ookie: a=", "ookie: a1b2c3d4e5f6g7h8", " -p", "mysql -p", "password ", "a.bcdefg.", "value=", "name: token\nvalue: ", "key ", "token a1b2c3d4e5f6g7h8i9j0", ">", "'token='",
	} {
		redact.Text(strings.Repeat(part, 1<<18/len(part)))
	}
}

func FuzzText(f *testing.F) {
	for _, examples := range secrets() {
		for _, e := range examples {
			f.Add(strings.NewReplacer("«", "", "»", "").Replace(e))
		}
	}
	f.Add("password=[redacted:password]: hunter2 token=[redacted:secret")
	f.Fuzz(func(t *testing.T, s string) {
		got := redact.Text(s)
		if again := redact.Text(got); again != got {
			t.Errorf("%q became %q, and then %q", s, got, again)
		}
		if utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Errorf("%q became %q, which is not UTF-8", s, got)
		}
	})
}

func BenchmarkText(b *testing.B) {
	text := strings.Repeat("func (s *Store) Open(ctx context.Context, dir string) error { // key: value, see https://example.org/a?b=c\n", 40_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		redact.Text(text)
	}
}

// The page for users names every rule.
func TestRulesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/candidates.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range redact.Rules() {
		if !strings.Contains(string(page), "`"+rule+"`") {
			t.Errorf("docs/candidates.md does not name %s", rule)
		}
	}
}
