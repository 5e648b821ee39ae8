using System;
using System.Collections;
using System.Collections.Generic;
using Aeronet.Http.Semantics;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server.Exchange;

// All fields one after the other: enumerating, copying, keys and values.
internal abstract partial class HeaderFields
{
    public void CopyTo(KeyValuePair<string, StringValues>[] array, int arrayIndex)
    {
        ArgumentNullException.ThrowIfNull(array);
        ArgumentOutOfRangeException.ThrowIfNegative(arrayIndex);
        if (array.Length - arrayIndex < Count)
        {
            HeaderErrors.ThrowDestinationTooShort();
        }

        foreach (KeyValuePair<string, StringValues> item in this)
        {
            array[arrayIndex++] = item;
        }
    }

    public ICollection<string> Keys
    {
        get
        {
            var keys = new List<string>(Count);
            foreach (KeyValuePair<string, StringValues> item in this)
            {
                keys.Add(item.Key);
            }

            return keys;
        }
    }

    public ICollection<StringValues> Values
    {
        get
        {
            var values = new List<StringValues>(Count);
            foreach (KeyValuePair<string, StringValues> item in this)
            {
                values.Add(item.Value);
            }

            return values;
        }
    }

    public Enumerator GetEnumerator()
    {
        LoadAll();
        return new Enumerator(this);
    }

    IEnumerator<KeyValuePair<string, StringValues>> IEnumerable<KeyValuePair<string, StringValues>>.GetEnumerator() => GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Walks the fields; a change during the walk may show or not, but never breaks it.</summary>
    public struct Enumerator : IEnumerator<KeyValuePair<string, StringValues>>
    {
        private readonly HeaderFields _fields;

        // Below SlotCount: the next slot to look at. From there on: the next of the others.
        private int _next;

        internal Enumerator(HeaderFields fields)
        {
            _fields = fields;
            _next = 0;
            Known = KnownHeader.Unknown;
            Current = default;
        }

        /// <summary>The current field's known name, Unknown for one without a slot.</summary>
        public KnownHeader Known { get; private set; }

        public KeyValuePair<string, StringValues> Current { get; private set; }

        readonly object IEnumerator.Current => Current;

        public bool MoveNext()
        {
            if (_next < SlotCount)
            {
                int slot = _fields._present.Next(_next);
                if (slot >= 0)
                {
                    Known = (KnownHeader)slot;
                    _next = slot + 1;
                    Current = new KeyValuePair<string, StringValues>(KnownHeaders.Name(Known), _fields.Get(Known));
                    return true;
                }

                _next = SlotCount;
            }

            Known = KnownHeader.Unknown;
            int index = _next - SlotCount;
            if (index >= _fields._others.Count)
            {
                Current = default;
                return false;
            }

            ref readonly HeaderList.Entry entry = ref _fields._others[index];
            _next++;
            Current = new KeyValuePair<string, StringValues>(entry.Name, entry.Value);
            return true;
        }

        public void Reset()
        {
            _next = 0;
            Known = KnownHeader.Unknown;
            Current = default;
        }

        public readonly void Dispose()
        {
        }
    }
}
