// The conversation: prompts and answers in turn, of which at most one is being written.
import { Answer } from './answer.svelte';
import { look } from './look.svelte';
import { Pace } from './pace';
import { sampling } from './sampling.svelte';
import { server } from './server.svelte';
import { Refusal, troubleOf } from './trouble';
import { stream, type Message, type Mode, type News } from './wire';

class Turn {
  prompt = $state('');
  answer = $state.raw<Answer>(new Answer());

  constructor(
    readonly id: number,
    prompt: string,
    readonly mode: Mode,
  ) {
    this.prompt = prompt;
  }
}
export type { Turn };

class Talk {
  turns = $state.raw<Turn[]>([]);
  mode = $state<Mode>('chat');
  draft = $state('');
  private numTurns = 0;
  private stopper: AbortController | null = null;
  readonly running = $derived(this.turns.at(-1)?.answer.running ?? false);

  send(prompt: string): void {
    const turn = new Turn(this.numTurns++, prompt, this.mode);
    this.turns = [...this.turns, turn];
    void this.ask(turn);
  }

  /** Asks a turn again, with its prompt changed or not; what followed it is left behind. */
  again(turn: Turn, prompt = turn.prompt): void {
    this.stop();
    turn.prompt = prompt;
    turn.answer = new Answer();
    this.turns = this.turns.slice(0, this.turns.indexOf(turn) + 1);
    void this.ask(turn);
  }

  stop(): void {
    this.stopper?.abort();
  }

  clear(): void {
    this.stop();
    this.turns = [];
    look.close();
  }

  private async ask(turn: Turn): Promise<void> {
    this.stop();
    const { answer } = turn;
    const stopper = (this.stopper = new AbortController());
    if (look.turn === turn.id) look.close();
    sampling.refused = null;
    const asked = { mode: turn.mode, model: server.model, messages: this.messages(turn), prompt: turn.prompt, sampling: sampling.fields() };
    const pace = new Pace<News>((news) => answer.take(news));
    try {
      for await (const news of stream(asked, server.key, stopper.signal)) pace.take(news);
      pace.flush();
      answer.state = answer.finish === 'error' ? 'failed' : 'done';
      if (answer.finish === 'error') answer.trouble = { line: 'The model’s numbers ran over, so this answer ends here.', way: 'again', wait: 0, param: null };
    } catch (error) {
      pace.flush();
      if (stopper.signal.aborted) answer.state = 'stopped';
      else this.fail(answer, error);
    }
    void server.look();
  }

  private fail(answer: Answer, error: unknown): void {
    answer.state = 'failed';
    answer.trouble = troubleOf(error, answer.size);
    if (!(error instanceof Refusal)) return;
    if (answer.trouble.way === 'key') void server.connect();
    if (answer.trouble.param !== null) sampling.refused = { param: answer.trouble.param, line: error.message };
  }

  /** The chat up to a turn's prompt. A turn without an answer is left out: roles take turns. */
  private messages(last: Turn): Message[] {
    const system: Message[] = sampling.system.trim() ? [{ role: 'system', content: sampling.system }] : [];
    const before = this.turns
      .slice(0, this.turns.indexOf(last))
      .filter((turn) => turn.mode === 'chat' && turn.answer.text !== '')
      .flatMap((turn): Message[] => [
        { role: 'user', content: turn.prompt },
        { role: 'assistant', content: turn.answer.text },
      ]);
    return [...system, ...before, { role: 'user', content: last.prompt }];
  }
}

export const talk = new Talk();
