// Arrays of numbers with a shape, as the report carries them: the bytes of the values, little-endian, in base64.

export interface Packed {
  octavo_array: 'u1' | 'u2' | 'u4' | 'f4';
  shape: number[];
  base64: string;
}

const KINDS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array };

export class Grid {
  constructor(
    readonly values: ArrayLike<number>,
    readonly shape: readonly number[],
  ) {}

  /** The value at an index of every axis. */
  at(...index: number[]): number {
    return this.values[this.place(index)];
  }

  /** The values along the last axis, at an index of all others. */
  row(...index: number[]): number[] {
    const width = this.shape[this.shape.length - 1];
    const start = this.place(index) * width;
    return Array.from({ length: width }, (_, each) => this.values[start + each]);
  }

  private place(index: readonly number[]): number {
    let place = 0;
    for (let axis = 0; axis < index.length; axis++) place = place * this.shape[axis] + index[axis];
    return place;
  }
}

export function unpack(packed: Packed): Grid {
  const text = atob(packed.base64);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return new Grid(new KINDS[packed.octavo_array](bytes.buffer), packed.shape);
}

/** For JSON.parse: packed arrays become grids wherever they stand. */
export function revive(_: string, value: unknown): unknown {
  return value !== null && typeof value === 'object' && 'octavo_array' in value ? unpack(value as Packed) : value;
}
