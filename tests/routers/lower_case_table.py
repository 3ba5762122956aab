"""Writes lower_case_table.txt: what Python's str.lower() makes of every character that it changes, and of words in
which what stands around a character counts.

    python3 tests/routers/lower_case_table.py > tests/routers/lower_case_table.txt

A line is `input = output`, in hexadecimal code points. Characters that stand alone in no line stay as they are.
"""

import random
import sys
import unicodedata

# Sigmas; letters with and without case, beyond 16 bits as well; what is ignored around a sigma; what is not.
LETTERS = 'ΣΣΣσςαΑaAİIẞßǅʰª中\U00010400\U00010428'
IGNORED = '\u0301\u0345\u00ad\u2019.:\u200d'
OTHERS = ' 1-\t\u00a0'


def line(text: str) -> str:
    def points(characters: str) -> str:
        return ' '.join(f'{ord(character):04X}' for character in characters)

    return f'{points(text)} = {points(text.lower())}'


def main() -> None:
    print(f'# By lower_case_table.py, Unicode {unicodedata.unidata_version}.')
    for point in range(sys.maxunicode + 1):
        if chr(point) != chr(point).lower():
            print(line(chr(point)))
    chance = random.Random(4)
    for _ in range(500):
        print(line(''.join(chance.choice(LETTERS + IGNORED + OTHERS) for _ in range(chance.randint(2, 8)))))


if __name__ == '__main__':
    main()
