// Text as gopkg.in/yaml.v2 writes it, whose output kubernetes-mcp-server answers: the same choice of
// quotes, and lines folded after column 80. A parser that knows only the simple cases would work with
// the simple messages of tests and not in a cluster. kubernetes.test.mjs compares it with the real one.

const WIDTH = 80;

// What would be read as something else than text when it stands there without quotes.
const WORD = new RegExp(
  '^(|~|null|Null|NULL|[yYnN]|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|true|True|TRUE|false|False|' +
    'FALSE|[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN))$',
);
const DATE =
  /^\d{4}-\d{1,2}-\d{1,2}([Tt ] *\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?( *(Z|[-+]\d\d(:?\d\d)?))?)?$/;
const SIXTIES = /^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$/;
const NUMBER =
  /^[-+]?([0-9]+|0(x[0-9a-fA-F]+|b[01]+|o[0-7]+)|(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)$/;

function isText(text) {
  const ungrouped = text.replace(/(?!^)_/g, '');
  return !WORD.test(text) && !DATE.test(text) && !SIXTIES.test(text) && !NUMBER.test(ungrouped);
}

const BREAK = /[\r\n\u0085\u2028\u2029]/u;
// Characters that need double quotes: what is not printable, and what lies beyond 16 bits.
const SPECIAL = /[^\n\u0020-\u007e\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd]/u;
// Where text without quotes would mean something.
const INDICATOR = /^(---|\.\.\.)|^[#,[\]{}&*!|>'"%@`]|^[?:-]([\s\0]|$)|:([ \t\r\n]|$)|[ \t\r\n]#/u;

const ESCAPES = {
  '\0': '0',
  '\x07': 'a',
  '\b': 'b',
  '\t': 't',
  '\n': 'n',
  '\v': 'v',
  '\f': 'f',
  '\r': 'r',
  '\x1b': 'e',
  '"': '"',
  '\\': '\\',
  '\u0085': 'N',
  '\u2028': 'L',
  '\u2029': 'P',
};

function escape(character) {
  const code = character.codePointAt(0);
  const hex = code.toString(16).toUpperCase();
  if (ESCAPES[character] !== undefined) return `\\${ESCAPES[character]}`;
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

// Writes the characters one by one, from `column` on; `fold` says where a space may become a new
// line, `write` what a character becomes.
function flow(text, column, indent, { fold, write }) {
  const characters = [...text];
  let out = '';
  let at = column;
  let afterSpace = false;
  let afterBreak = false;
  characters.forEach((character, index) => {
    if (character === ' ' && !afterSpace && at > WIDTH && fold(characters, index)) {
      out += `\n${' '.repeat(indent)}`;
      at = indent;
      // A space that begins a line would be lost.
      if (characters[index + 1] === ' ') {
        out += '\\';
        at += 1;
      }
    } else {
      const written = write(character);
      const isBreak = BREAK.test(written);
      if (afterBreak && !isBreak) out += ' '.repeat(indent);
      out += written;
      at = isBreak ? indent : at + [...written].length;
      afterBreak = isBreak;
    }
    afterSpace = character === ' ';
  });
  return out;
}

const STYLES = {
  plain: {
    quote: '',
    fold: (characters, index) => characters[index + 1] !== ' ',
    write: (character) => character,
  },
  single: {
    quote: "'",
    fold: (characters, index) =>
      index > 0 && index < characters.length - 1 && characters[index + 1] !== ' ',
    write: (character) => (character === "'" ? "''" : character),
  },
  double: {
    quote: '"',
    fold: (characters, index) => index > 0 && index < characters.length - 1,
    write: (character) =>
      SPECIAL.test(character) || BREAK.test(character) || /["\\]/.test(character)
        ? escape(character)
        : character,
  },
};

function literal(text, indent) {
  const pad = ' '.repeat(indent);
  const padded = text
    .replace(/[\u2028\u2029]+(?=[^\n])/gu, `$&${pad}`)
    .split('\n')
    .map((line) => (/^([\u2028\u2029]|$)/u.test(line) ? line : pad + line));
  return ['|-', ...padded].join('\n');
}

function styleOf(text) {
  const spaceBeforeBreak = / [\r\n\u0085\u2028\u2029]/u.test(text);
  if (SPECIAL.test(text) || spaceBeforeBreak) return 'double';
  if (text.includes('\n')) return 'literal';
  if (!isText(text) || /[\u2028\u2029] /u.test(text)) return 'double';
  return BREAK.test(text) || INDICATOR.test(text) ? 'single' : 'plain';
}

// The value of a key: what follows "KEY: " that ends in `column`, continued at `indent`. The text
// neither begins nor ends with space.
export function scalar(text, column, indent) {
  const style = styleOf(text);
  if (style === 'literal') return literal(text, indent);
  const { quote } = STYLES[style];
  return quote + flow(text, column + quote.length, indent, STYLES[style]) + quote;
}
