/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* pages.mjs URL NAME PASSWORD: walk through a running box as people do, on a phone of 320 px without
 * script and on a projector of 1280 px with it, and look at every page on the way. NAME is a volunteer
 * and steward; URL is on the loopback address, where passwords are allowed. */
import { readFileSync } from 'node:fs';
import { open, complaints, ownComplaints, tap } from './browser.mjs';

const [base, name, password] = process.argv.slice(2);
const t = tap();
const { browser, close } = await open();
const kinds = [{ label: 'phone without script', width: 320, height: 568, script: false },
	{ label: 'projector', width: 1280, height: 800, script: true }];

/* A person with a browser of their own. */
class Visitor {
	static async arrive(kind) {
		const v = new Visitor();
		v.kind = kind;
		v.context = await browser.newContext({ viewport: { width: kind.width, height: kind.height },
			javaScriptEnabled: kind.script, locale: 'ca', colorScheme: kind.script ? 'dark' : 'light' });
		v.page = await v.context.newPage();
		v.page.setDefaultTimeout(15000);
		v.said = [];
		v.requests = [];
		v.page.on('console', (m) => {
			if (m.type() === 'error' && !m.text().startsWith('Failed to load resource'))
				v.said.push(`the browser says: ${m.text()}`);
		});
		v.page.on('response', (a) => {
			if (a.status() >= 400 && !a.request().isNavigationRequest())
				v.said.push(`${a.url()} answered ${a.status()}`);
		});
		v.page.on('request', (r) => { if (!r.url().startsWith('data:')) v.requests.push(r.url()); });
		return v;
	}

	leave() { return this.context.close(); }

	/* Note a test: the page that we are on, and what else was expected of it. */
	async see(what, expected = {}) {
		const bad = [...await (this.kind.script ? complaints : ownComplaints)(this.page), ...this.said];
		const text = await this.page.locator('main').innerText();
		if (expected.text && !text.includes(expected.text))
			bad.push(`does not say “${expected.text}” but: ${text.slice(0, 300)}`);
		if (expected.no && text.includes(expected.no))
			bad.push(`says “${expected.no}”`);
		if (expected.path && !new URL(this.page.url()).pathname.match(expected.path))
			bad.push(`is at ${this.page.url()}`);
		this.said.length = 0;
		t.test(`${this.kind.label}: ${what}`, bad);
	}

	async go(path) {
		this.requests.length = 0;
		const answer = await this.page.goto(base + path);
		if (answer.status() >= 400)
			this.said.push(`${path} answered ${answer.status()}`);
	}

	click(selector) { return this.page.locator(selector).first().click(); }
	fill(selector, words) { return this.page.locator(selector).first().fill(words); }
}

async function reads(v) {
	await v.go('/');
	await v.see('the front page');
	for (const path of ['/forums', '/library', '/search', '/search?q=a', '/about', '/sign-in'])
		await v.go(path).then(() => v.see(path));
	await v.page.goto(`${base}/nowhere`);
	await v.see('an address that leads nowhere');
	await v.go('/forums');
	await v.click('.list a.to[href^="/forum/"]');
	await v.see('a forum');
	await v.click('.list a.to[href^="/topic/"]');
	v.topic = new URL(v.page.url()).pathname;
	await v.go(v.topic);
	await v.see('a topic', { path: /^\/topic\// });
	t.test(`${v.kind.label}: a topic takes at most two requests`, v.requests.length <= 2 ? [] :
		[`took ${v.requests.join(' ')}`]);
}

async function writesAsGuest(v, words, takeBack) {
	await v.go(v.topic);
	await v.fill('#reply #name', 'Remei');
	await v.fill('#reply #text', words);
	await v.click('#reply button');
	await v.see('the receipt of a guest', { path: /^\/held\//, text: words });
	const receipt = new URL(v.page.url()).pathname;
	await v.go(v.topic);
	await v.see('a guest’s message is not published yet', { no: words });
	if (!takeBack)
		return;
	await v.go(receipt);
	await v.click('a[href$="/withdraw"]');
	await v.see('asking before it is taken back');
	await v.click('button.danger');
	await v.see('a message that was taken back', { no: words });
}

async function signsIn(v) {
	await v.go('/sign-in');
	await v.fill('#name', name);
	await v.fill('#password', 'wrong');
	await v.click('main form button');
	await v.see('a wrong password');
	await v.fill('#name', name);
	await v.fill('#password', password);
	await v.click('main form button');
	await v.go('/admin');
	await v.see('the volunteer’s page');
}

async function looksAfter(v, words) {
	for (const path of ['/admin/people', '/admin/peers', '/admin/receipts', '/me', `/people/${name}`])
		await v.go(path).then(() => v.see(path));
	await v.go('/admin/held');
	await v.see('the messages that wait', { text: words });
	await v.page.locator('article', { hasText: words }).locator('button').first().click();
	await v.go(v.topic);
	await v.see('a guest’s message after approval', { text: words });
}

/* A page that follows by itself, once it has come to its end. */
async function settled(v, path) {
	for (let tries = 0; tries < 300; tries++) {
		if (path)
			await v.go(path);
		else // the page's own refresh may come in between
			await v.page.reload().catch(() => v.page.waitForLoadState());
		if (!await v.page.locator('meta[http-equiv="refresh"]').count())
			return;
		await v.page.waitForTimeout(500);
	}
}

async function carries(guest, volunteer) {
	await settled(guest, '/carry');
	await guest.see('news to take along');
	const [file] = await Promise.all([guest.page.waitForEvent('download'), guest.click('a[download]')]);
	const name = file.suggestedFilename();
	t.test(`${guest.kind.label}: the file has a name of ours`, name.endsWith('.lliure') ? [] : [name]);
	await guest.page.setInputFiles('#file', { name, mimeType: 'application/octet-stream',
		buffer: readFileSync(await file.path()) });
	await guest.click('main form button');
	await settled(guest);
	await guest.see('news that was brought', { path: /^\/carry\/brought\// });
	await settled(volunteer, '/admin/carry');
	await volunteer.see('a stick', { text: 'Kingston' });
	await volunteer.click('form[action$="/write"] button');
	await settled(volunteer, '/admin/carry');
	await volunteer.see('a stick that was written', { text: '.lliure' });
}

async function talks(v, words) {
	await v.go('/forums');
	await v.click('.list a.to[href^="/forum/"]');
	await v.click('main a.btn[href$="/new"]');
	await v.see('starting a topic');
	await v.fill('#title', `Tema ${words}`);
	await v.fill('#text', `Primer **missatge** ${words}`);
	if (v.kind.script) {
		await v.page.reload();
		const kept = await v.page.locator('#text').inputValue();
		t.test(`${v.kind.label}: a draft survives a reload`, kept.includes(words) ? [] : [`has “${kept}”`]);
	}
	await v.click('form[data-draft] button');
	await v.see('a new topic', { path: /^\/topic\//, text: `missatge ${words}` });
	await v.fill('#reply #text', `Resposta ${words}`);
	await v.click('#reply button');
	await v.see('a reply', { text: `Resposta ${words}` });
	await v.click('article a[href$="/edit"]');
	await v.see('editing a message');
	await v.fill('#text', `Canviat ${words}`);
	await v.click('form[data-draft] button:not([name])');
	await v.see('an edited message', { text: `Canviat ${words}` });
	await v.page.locator('article').last().locator('a[href$="/hide"]').click();
	await v.see('asking before a message is hidden');
	await v.fill('#reason', 'Prova');
	await v.click('main form button');
	await v.see('a hidden message', { text: 'Prova' });
}

async function keeps(v, words) {
	await v.go('/library');
	await v.click('main a.btn[href*="/new"]');
	await v.see('a new page');
	await v.fill('#title', `Pàgina ${words}`);
	await v.click('main form summary'); /* where it is kept: folded, and need not be said */
	await v.fill('#path', `prova/${words}`);
	await v.fill('#text', `# Cap\n\nUna línia ${words}\n`);
	await v.click('form[data-draft] button:not([name])');
	await v.see('a page', { text: `Una línia ${words}` });
	await v.click('main a.btn[href*="edit"]');
	await v.see('editing a page');
	await v.fill('#text', `# Cap\n\nDues línies ${words}\n`);
	await v.fill('#note', 'Una més');
	await v.click('form[data-draft] button:not([name])');
	await v.see('an edited page', { text: `Dues línies ${words}` });
	await v.click('main a[href*="history"]');
	await v.see('the earlier versions', { text: 'Una més' });
	await v.click('.list a.to');
	await v.see('a version and what changed', { text: `Dues línies ${words}` });
	await v.go('/library');
	await v.see('the library with a folder', { text: 'prova' });
}

async function finds(v, words) {
	for (let tries = 0; tries < 300; tries++) {
		await v.go(`/search?q=${encodeURIComponent(words)}`);
		if (await v.page.locator('.list a.to').count())
			break;
		await v.page.waitForTimeout(500);
	}
	await v.see('what was written is found', { text: words });
	await v.click('.list a.to');
	await v.see('a page that was found', { text: words });
}

async function leaves(v) {
	await v.click('.foot form button');
	await v.page.goto(`${base}/admin`);
	await v.see('the volunteer’s page after signing out', { no: 'prova' });
}

async function step(kind, what, run) {
	try {
		await run();
	} catch (e) {
		t.test(`${kind.label}: ${what}`, String(e.message).split('\n').slice(0, 8));
	}
}

for (const kind of kinds) {
	const words = `mots${kind.width}`;
	const guest = await Visitor.arrive(kind);
	const volunteer = await Visitor.arrive(kind);
	await step(kind, 'reading', () => reads(guest));
	await step(kind, 'a guest takes a message back', () => writesAsGuest(guest, `enrere ${words}`, true));
	await step(kind, 'a guest writes', () => writesAsGuest(guest, `hola ${words}`, false));
	volunteer.topic = guest.topic;
	await step(kind, 'signing in', () => signsIn(volunteer));
	await step(kind, 'looking after the house', () => looksAfter(volunteer, `hola ${words}`));
	await step(kind, 'carrying news', () => carries(guest, volunteer));
	await step(kind, 'talking', () => talks(volunteer, words));
	await step(kind, 'keeping documents', () => keeps(volunteer, words));
	await step(kind, 'finding', () => finds(guest, `hola ${words}`));
	await step(kind, 'signing out', () => leaves(volunteer));
	await guest.leave();
	await volunteer.leave();
}
t.end();
await close();
