// The page of octavo serve: a chat in which every token can be opened to see which experts read it.
import { mount } from 'svelte';
import '../lib/page.css';
import Chat from './Chat.svelte';

mount(Chat, { target: document.getElementById('page')! });
