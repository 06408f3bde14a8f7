// The report: one script and one style sheet; scripts/page.mjs makes one HTML file of them.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: 'dist/report',
    target: 'es2022',
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: false,
    rollupOptions: {
      input: 'src/report/main.ts',
      output: { entryFileNames: 'report.js', assetFileNames: 'report.[ext]' },
    },
  },
});
