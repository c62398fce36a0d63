/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* pairing.mjs URL-A URL-B NAME PASSWORD [PICTURES]: two volunteers connect their boxes with an invitation, look at every
 * page on the way, choose terms, vouch, and disconnect: on a phone of 320 px without script and on a projector with it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { open, complaints, ownComplaints, tap } from './browser.mjs';

const [a, b, name, password, pictures] = process.argv.slice(2);
const t = tap();
const { browser, close } = await open();
const kinds = [{ label: 'phone without script', width: 320, height: 568, script: false },
	{ label: 'projector', width: 1280, height: 800, script: true }];
if (pictures)
	mkdirSync(pictures, { recursive: true });

class Volunteer {
	static async arrive(base, kind) {
		const v = new Volunteer();
		v.base = base;
		v.kind = kind;
		v.context = await browser.newContext({ viewport: { width: kind.width, height: kind.height },
			javaScriptEnabled: kind.script, locale: 'en', colorScheme: kind.script ? 'dark' : 'light' });
		v.page = await v.context.newPage();
		v.page.setDefaultTimeout(15000);
		v.said = [];
		v.page.on('console', (m) => {
			if (m.type() === 'error' && !m.text().startsWith('Failed to load resource'))
				v.said.push(`the browser says: ${m.text()}`);
		});
		return v;
	}

	async go(path) {
		const answer = await this.page.goto(path.startsWith('http') ? path : this.base + path);
		if (answer.status() >= 400)
			this.said.push(`${path} answered ${answer.status()}`);
	}

	async sign_in() {
		await this.go('/sign-in?next=/admin/peers');
		await this.page.fill('[name=name]', name);
		await this.page.fill('[name=password]', password);
		await this.page.locator('main form button').first().click();
	}

	click(selector) { return this.page.locator(selector).first().click(); }

	async see(what, ...texts) {
		await this.page.waitForLoadState();
		const bad = [...await (this.kind.script ? complaints : ownComplaints)(this.page), ...this.said];
		const text = await this.page.locator('main').innerText();
		for (const wanted of texts)
			if (!text.includes(wanted))
				bad.push(`does not say “${wanted}” but: ${text.slice(0, 400)}`);
		this.said.length = 0;
		if (pictures)
			await this.page.screenshot({ path: join(pictures, `${this.kind.width}-${what.replaceAll(' ', '-')}.png`),
				fullPage: true });
		t.test(`${this.kind.label}: ${what}`, bad);
	}
}

async function invite(A, kind) {
	await A.sign_in();
	await A.see('the list', 'Other houses');
	await A.click('a[href="/admin/peers/invite"]');
	await A.page.fill('[name=label]', 'the <b>library</b> of the port');
	await A.click('button[name=preview]');
	await A.see('an invitation is prepared', 'What they will see', 'What they will not see');
	await A.click('main form button:not([name])');
	await A.see('an invitation', 'the <b>library</b> of the port', 'A code for a phone');
	return A.page.locator('#link').inputValue();
}

async function accept(B, link) {
	await B.sign_in();
	await B.click('a[href="/admin/peers/accept"]');
	await B.page.fill('[name=text]', link.slice(0, 60));
	await B.click('main form button');
	await B.see('half an invitation', 'no whole invitation');
	await B.page.fill('[name=text]', `Look: ${link}`);
	await B.click('main form button');
	await B.see('who invites, and the terms', 'It has invited this house', 'Who vouches for it');
	await B.page.fill('[name=take_mb]', 'lots');
	await B.click('main form button:not([name])');
	await B.see('a wrong amount', 'is no amount');
	await B.page.fill('[name=take_mb]', '500');
	await B.click('main form button:not([name])');
	await B.see('the peer who invited', 'We accepted its invitation');
	await B.click('form[action$="/sync"] button');
	await B.see('after the exchange', 'Other houses');
}

/* The page comes again and again by itself, until the other volunteer has opened theirs. */
async function compare(A, B) {
	const key = new URL(A.page.url()).pathname.split('/')[3];
	const own = await (await B.context.request.get(B.base + '/admin/peers.json')).json();
	const before = await A.page.locator('p.number.big').count(); /* the other kind's is good for a while */
	if (!before) {
		await A.see('before the number', 'Then let both show the number', 'Compare the whole key instead');
		await A.click('button[name=begin]');
	}
	await A.see('connecting again', 'open the same page there', before ? 'On these terms' : 'Compare the whole key instead');
	await A.go(`/admin/peers/${key}/approve?whole=`);
	await A.see('by the whole key', 'Without a number the whole key must be right');
	await A.page.fill('[name=whole]', key.slice(1) + 'a');
	await A.page.check('[name=same]');
	await A.click('main form button:not([name])');
	await A.see('another key', 'That is not the key of this box');
	await A.click('main p a[href*="/approve"]');
	await B.go(`/admin/peers/${own.peers[0].key}`);
	await B.click('a[href$="/number"]');
	if (!before) {
		await B.see('the page of the number there', 'Then let both show the number');
		await B.click('button[name=begin]');
	}
	await A.page.waitForSelector('p.number.big');
	await B.page.waitForSelector('p.number.big');
	const [a, b] = await Promise.all([A, B].map((v) => v.page.locator('p.number.big').innerText()));
	t.test(`${A.kind.label}: both volunteers see one number`, a === b && /^\d{3} \d{3}$/.test(a) ? [] : [`${a} and ${b}`]);
	await B.see('the number there', 'Both of you must see this number');
	await A.see('the number', 'Both of you must see this number', 'On these terms');
	await A.click('main form[action$="/approve"] button:not([name])');
	await A.see('not without comparing', 'Compare the number');
}

async function look_after(A, B) {
	await A.go('/admin/peers');
	await A.see('the list with a peer', 'All is well', 'accepted');
	await A.click('article h3 a');
	await A.see('the peer that was invited', 'It accepted an invitation of ours', 'Vouch for it');
	await A.click('a[href$="/preview"]');
	await A.see('what they see', 'What they will see');
	await A.page.selectOption('select[name=others]', 'none');
	await A.page.fill('[name=until]', '2099-12-31');
	await A.click('form[action$="/terms"] button:not([name])');
	await A.see('other terms', 'The terms hold from now on');
	await A.page.fill('[name=note]', 'we share a hall');
	await A.click('form[action$="/vouch"] button');
	await A.see('vouched', 'we share a hall');
	await A.click('a[href$="/remove"]');
	await A.see('before disconnecting', 'an exchange that is under way is broken off', 'With a tick');
	await A.click('main form button.danger');
	await A.see('disconnected', 'no longer approved', 'Disconnected');
	await A.click('a[href$="/approve"]');
	await compare(A, B);
}

for (const kind of kinds) {
	const A = await Volunteer.arrive(a, kind), B = await Volunteer.arrive(b, kind), visitor = await Volunteer.arrive(a, kind);
	const link = await invite(A, kind);
	await visitor.go(link);
	await visitor.see('the link in a browser', 'invites your house', 'This is the box that invites');
	await visitor.go(link.slice(0, -3)).catch(() => {});
	visitor.said.length = 0;
	await visitor.see('a torn link', 'not whole');
	await visitor.go(link.replace(a, b));
	await visitor.see('the link at the other box', 'If this is your own box');
	await accept(B, link);
	await look_after(A, B);
	for (const v of [A, B, visitor])
		await v.context.close();
}
t.end();
await close();
