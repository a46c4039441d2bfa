package schema

// Tables is what the digest covers, for tests that look for what it misses.
var Tables = tables
