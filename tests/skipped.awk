# Lists the tests that ctest skipped, each with its reason: awk -f skipped.awk CTEST-OUTPUT LASTTEST-LOG
#
# CTEST-OUTPUT names them at its end. LASTTEST-LOG has what each printed: GoogleTest prints the reason behind
# "FILE:LINE: Skipped", a script as its last line.

FNR == NR {
  if (sub(/^\t *[0-9]+ - /, "") && sub(/ \(Skipped\)$/, "")) skipped[$0] = 1
  next
}
!output && /^[0-9]+\/[0-9]+ Testing: / {
  name = $0
  sub(/^[0-9]+\/[0-9]+ Testing: /, "", name)
  reason = ""
  expected = found = 0
  next
}
!output && $0 == "Output:" {
  output = FNR
  next
}
output && $0 == "<end of output>" {
  output = 0
  if (name in skipped) print "skipped: " name ": " (reason == "" ? "it prints no reason" : reason)
  next
}
output && FNR > output + 1 && /[^ ]/ && !found {
  reason = $0
  if (expected) found = 1
  expected = /: Skipped$/
}
