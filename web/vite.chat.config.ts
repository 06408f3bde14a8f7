// The page of octavo serve: a script and a style sheet, named by their content; scripts/chat.mjs puts them
// into the package.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  base: './',
  build: {
    outDir: 'dist/chat',
    target: 'es2022',
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: false,
    rollupOptions: {
      input: 'src/chat/main.ts',
      output: { entryFileNames: 'assets/chat-[hash].js', assetFileNames: 'assets/chat-[hash].[ext]' },
    },
  },
});
