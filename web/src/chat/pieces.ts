// Which token wrote which part of a text. A token's own text is a piece of a character (U+FFFD) where a character takes
// several tokens; the stream's text has the character whole, once its last piece is there.

const BROKEN = '\ufffd';

/** Takes tokens and text as they come, and says what each token wrote. */
export class Pieces {
  private waiting: { place: number; piece: string }[] = [];
  private text = '';

  constructor(private readonly write: (place: number, text: string) => void) {}

  take(place: number, tokens: readonly string[], text: string): void {
    tokens.forEach((piece, each) => this.waiting.push({ place: place + each, piece }));
    this.text += text;
    while (this.waiting.length && (this.waiting[0].piece.includes(BROKEN) ? this.takeBroken() : this.takeWhole()));
  }

  /** A token of whole characters: what it says, as soon as the text says so too. */
  private takeWhole(): boolean {
    const { place, piece } = this.waiting[0];
    if (this.text.startsWith(piece)) this.text = this.text.slice(piece.length);
    else if (piece.startsWith(this.text)) {
      // Text comes late where it might be the beginning of a stop string; the token is shown all the same.
      this.write(place, piece);
      return false;
    } else this.text = '';
    this.write(place, piece);
    this.waiting.shift();
    return true;
  }

  /** A run of pieces: the last of them that is there gets the text, up to what the next whole token says. */
  private takeBroken(): boolean {
    const next = this.waiting.findIndex((each) => !each.piece.includes(BROKEN));
    const run = next < 0 ? this.waiting : this.waiting.slice(0, next);
    const end = next < 0 ? this.text.length : this.text.indexOf(this.waiting[next].piece);
    if (end < 0) {
      if (next >= 0 && this.text === '') return false;
      this.text = '';
      run.forEach((each) => this.write(each.place, each.piece));
    } else if (end > 0 || next >= 0) {
      run.forEach((each, rank) => this.write(each.place, rank === run.length - 1 ? this.text.slice(0, end) : ''));
      this.text = this.text.slice(end);
    } else return false;
    this.waiting = next < 0 ? [] : this.waiting.slice(next);
    return true;
  }
}
