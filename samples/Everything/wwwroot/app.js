'use strict';

const byId = id => document.getElementById(id);

function log(id, text) {
  const item = document.createElement('li');
  item.textContent = text;
  byId(id).prepend(item);
  while (byId(id).children.length > 5) byId(id).lastChild.remove();
}

function state(id, text, good) {
  byId(id).textContent = text;
  byId(id).className = `state ${good ? 'good' : 'bad'}`;
}

fetch('server').then(response => response.json()).then(({ server, protocol }) => {
  byId('server').textContent = server;
  byId('protocol').textContent = protocol;
});

const hub = new JsonHub('hubs/chat', {
  onOpen: async () => {
    state('hub-state', 'connected', true);
    log('hub-log', `Greet("welcome") → ${await hub.invoke('Greet', 'welcome')}`);
  },
  onClose: () => state('hub-state', 'closed', false),
});
hub.on('message', (name, text) => log('hub-log', `${name}: ${text}`));
byId('hub-form').onsubmit = event => {
  event.preventDefault();
  hub.invoke('Send', 'page', byId('hub-text').value);
};

const socket = new WebSocket(new URL('ws', location.href.replace(/^http/, 'ws')));
socket.onopen = () => {
  state('ws-state', 'connected', true);
  socket.send(byId('ws-text').value);
};
socket.onclose = () => state('ws-state', 'closed', false);
socket.onmessage = event => log('ws-log', `← ${event.data}`);
byId('ws-form').onsubmit = event => {
  event.preventDefault();
  socket.send(byId('ws-text').value);
};

const ticks = new EventSource('sse');
ticks.onopen = () => state('sse-state', 'connected', true);
ticks.onerror = () => state('sse-state', 'reconnecting', false);
ticks.addEventListener('tick', event => {
  const { number, at } = JSON.parse(event.data);
  log('sse-log', `tick ${number} at ${at.slice(11, 23)}`);
});

byId('upload-form').onsubmit = async event => {
  event.preventDefault();
  const { field, token } = await (await fetch('forms/token')).json();
  const form = new FormData();
  form.append(field, token);
  for (const file of byId('upload-file').files) form.append('files', file);
  const response = await fetch('forms/upload', { method: 'POST', body: form });
  if (!response.ok) return log('upload-log', `refused: ${response.status}`);
  for (const { fileName, length } of await response.json()) log('upload-log', `${fileName}: ${length} bytes`);
};
