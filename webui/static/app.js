/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Nobody needs this script. Where it runs, what is being written survives a closed tab: each form
 * with data-draft keeps its fields in this tab's storage until they were sent. Written for browsers
 * of 2014. */
(function () {
	'use strict';
	var forms = document.querySelectorAll('form[data-draft]');
	var store;

	try {
		store = window.sessionStorage;
		store.length;
	} catch (e) {
		return; /* storage is switched off: nothing to do */
	}

	function fields(form) {
		return form.querySelectorAll('textarea, input:not([type=hidden]):not([type=password])');
	}

	function save(form, key) {
		var all = fields(form), kept = {}, i;

		for (i = 0; i < all.length; i++)
			kept[all[i].name] = all[i].value;
		try {
			store.setItem(key, JSON.stringify(kept));
		} catch (e) {
			/* full: the page itself still has the words */
		}
	}

	/* Only into fields that are as the server sent them empty: never over newer words. */
	function restore(form, key) {
		var all = fields(form), kept, i;

		try {
			kept = JSON.parse(store.getItem(key) || '{}');
		} catch (e) {
			return;
		}
		for (i = 0; i < all.length; i++)
			if (!all[i].value && typeof kept[all[i].name] === 'string')
				all[i].value = kept[all[i].name];
	}

	function keep(form) {
		var key = 'draft ' + form.getAttribute('data-draft');
		var changed = false, sent = false, timer;

		restore(form, key);
		form.addEventListener('input', function () {
			changed = true;
			clearTimeout(timer);
			timer = setTimeout(function () { save(form, key); }, 500);
		});
		form.addEventListener('submit', function () {
			sent = true;
			clearTimeout(timer);
			store.removeItem(key);
		});
		window.addEventListener('pagehide', function () {
			if (changed && !sent)
				save(form, key);
		});
	}

	for (var i = 0; i < forms.length; i++)
		keep(forms[i]);
})();
