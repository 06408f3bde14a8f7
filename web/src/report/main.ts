// The report: the data that the page carries, shown by Report.svelte.
import { mount } from 'svelte';
import { readReport } from '../lib/document';
import '../lib/page.css';
import { restore } from '../lib/view.svelte';
import Report from './Report.svelte';

const target = document.getElementById('page')!;
try {
  const report = readReport(document.getElementById('report')!.textContent ?? '');
  document.title = report.title;
  restore(report);
  mount(Report, { target, props: { report } });
} catch (error) {
  const sentence = document.createElement('p');
  sentence.className = 'trouble';
  sentence.textContent = error instanceof Error ? error.message : String(error);
  target.append(sentence);
}
