# Takes a page of Markdown apart: awk -v want=WHAT -f markdown.awk PAGE
#
#   prose     its text without blocks of code, line for line
#   blocks    PAGE:LINE <tab> TAG <tab> TEXT of each fenced block; TAG is - without one
#   commands  PAGE:LINE <tab> COMMAND of each block that is indented, or fenced as sh or without a tag,
#             unless it is a program (#!)
#
# An end of line within TEXT or COMMAND is \001. A command goes on after \, |, &&, within '...', and to
# the end of its here-document.

function indent(line) {
  match(line, /^ */)
  return RLENGTH
}
function place(line) { return FILENAME ":" line }

# A line of a block of commands.
function command_line(line) {
  if (command == "") {
    if (line ~ /^ *(#.*)?$/) return
    began = FNR
  }
  command = command (command == "" ? "" : "\001") line
  if (document != "") {
    if (line == document) document = ""
  } else if (match(line, /<<'[A-Z]+'/)) {
    document = substr(line, RSTART + 3, RLENGTH - 4)
  }
  if (document == "" && line !~ /(\\|\||&&)$/ && gsub(/'/, "'", command) % 2 == 0) end_command()
}
function end_command() {
  if (command != "" && want == "commands") print place(began) "\t" command
  command = document = ""
}

# Fences.
/^ *```/ {
  if (!fenced) {
    end_command()
    fenced = FNR
    margin = indent($0)
    tag = $0
    sub(/^ *```/, "", tag)
    text = ""
    is_commands = (tag == "" || tag == "sh")
  } else {
    end_command()
    if (want == "blocks") print place(fenced) "\t" (tag == "" ? "-" : tag) "\t" text
    fenced = 0
  }
  blank = indented = 0
  next
}
fenced {
  line = substr($0, margin + 1)
  if (text == "" && line ~ /^#!/) is_commands = 0
  text = text line "\001"
  if (is_commands) command_line(line)
  next
}
# Blocks by indentation begin after a blank line.
/^ *$/ {
  blank = 1
  if (indented && command != "") command_line("")
  else if (want == "prose") print
  next
}
indented ? indent($0) >= 4 : (blank && indent($0) >= 4) {
  if (!indented) margin = indent($0)
  indented = 1
  command_line(substr($0, margin + 1))
  next
}
{
  end_command()
  blank = indented = 0
  if (want == "prose") print
}
END {
  end_command()
  if (fenced && want == "commands") print place(fenced) "\tthis block has no end"
}
